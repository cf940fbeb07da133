"""Streams labelled texts and pairs out of TSV, CSV and JSONL files and data sets; complaints name file and line."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from keras_mlm.data.file_columns import check_width, column_place
from keras_mlm.data.file_rows import file_kind, json_rows, table_rows
from keras_mlm.data.hub_rows import hub_rows, is_hub_address
from keras_mlm.data.text_files import one_file
from keras_mlm.errors import InputError


@dataclasses.dataclass(frozen=True)
class LabelledText:
    """One example: where it stood, what it says and what it is.

    Args:
        source: str, the file.
        line: int, the line in the file, from 1.
        text: str, or a tuple of two str where the examples are pairs.
        label: str, the class; where a text may have several, a tuple of str, maybe empty.
    """

    source: str
    line: int
    text: str | tuple[str, str]
    label: str | tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """All classes of the example."""
        return (self.label,) if isinstance(self.label, str) else self.label


def read_labelled_texts(
    path: str,
    *,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    separator: str | None = None,
) -> Iterator[LabelledText]:
    """Stream the labelled texts of a file.

    The suffix says the format: `.tsv` (tabs, no quotes), `.csv` (commas, quotes) or `.jsonl` (an object a line), each
    also as `.gz` or `.xz`. A column is chosen by its number, from 1, or by its name; a name means that the first line
    holds the names. In JSONL columns are the names of entries. A path that begins with `hf:` is a data set of the
    Hugging Face hub, see `hub_rows`, whose rows are as those of JSONL.

    Args:
        path: str, the file.
        text: str, column of the text. Defaults to `"2"`, in JSONL to `"text"`.
        label: str, column of the label. Defaults to `"1"`, in JSONL to `"label"`.
        pair: str, column of the second text. Defaults to `None`, no pairs.
        separator: str, what stands between the labels of a text that may have several, or none; in JSONL they may also
            be a list. Defaults to `None`, one label a text.

    Returns:
        Iterator of `LabelledText`, in the file's order.

    Raises:
        InputError: the file is missing, damaged, no UTF-8 or empty; a column is not there; a row has another number of
            columns than the first; a text or label is empty. The message names file and line.

    Example:
        ```python
        for example in read_labelled_texts("train.tsv", label="1", text="2"):
            print(example.label, example.text)
        ```
    """
    hub = is_hub_address(path)
    path = path if hub else one_file(path)
    kind = "jsonl" if hub else file_kind(path)
    if kind not in ("tsv", "csv", "jsonl"):
        raise InputError(f"{path}: the name must end in .tsv, .csv or .jsonl, which says how it is read")
    entry = kind == "jsonl"
    wanted = {"label": label or ("label" if entry else "1"), "text": text or ("text" if entry else "2")}
    if pair is not None:
        wanted["pair"] = pair
    if separator == "":
        raise InputError("the separator of labels is empty: give the character that stands between them")
    objects = hub_rows(path) if hub else json_rows(path) if entry else None
    rows = _columns(path, wanted) if objects is None else _objects(path, objects, wanted, separator)
    return _examples(path, rows, separator)


def _examples(path: str, rows: Iterator[tuple[int, dict[str, str]]], separator: str | None) -> Iterator[LabelledText]:
    line = 0
    for line, row in rows:
        for name, value in row.items():
            if not value.strip() and (name != "label" or separator is None):
                raise InputError(f"{path}, line {line}: the {name} is empty; fill it in or remove the line")
        text = (row["text"], row["pair"]) if "pair" in row else row["text"]
        label: str | tuple[str, ...] = row["label"].strip()
        if separator is not None:
            names = (name.strip() for name in row["label"].split(separator))
            label = tuple(dict.fromkeys(name for name in names if name))
        yield LabelledText(path, line, text, label)
    if not line:
        raise InputError(f"{path} has no examples")


def _columns(path: str, wanted: dict[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    named = not all(column.isdecimal() for column in wanted.values())
    places: dict[str, int] = {}
    width = 0
    for line, cells in table_rows(path):
        where = f"{path}, line {line}"
        if not width:
            width = len(cells)
            places = {name: column_place(where, name, column, cells, named=named) for name, column in wanted.items()}
            if named:
                continue
        check_width(where, cells, width)
        yield line, {name: cells[place] for name, place in places.items()}


def _objects(
    path: str, objects: Iterator[tuple[int, dict[str, Any]]], wanted: dict[str, str], separator: str | None
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, entries in objects:
        row = {}
        for name, column in wanted.items():
            value = entries.get(column)
            if name == "label" and separator is not None and isinstance(value, list):
                value = separator.join(map(str, value))
            if isinstance(value, bool) or not isinstance(value, str | int):
                there = ", ".join(map(str, entries))
                raise InputError(
                    f"{path}, line {number}: no text or number {column!r} for the {name}; there are {there}"
                )
            row[name] = str(value)
        yield number, row
