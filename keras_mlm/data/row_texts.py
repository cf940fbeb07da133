"""The texts of JSONL files, tables and Parquet, one a row."""

import re
from collections.abc import Callable, Iterator

from keras_mlm.data.file_columns import check_width, column_place
from keras_mlm.data.file_rows import file_kind, json_rows, row_word, table_rows
from keras_mlm.data.left_out import LeftOut
from keras_mlm.data.parquet_rows import parquet_texts
from keras_mlm.data.standard_input import STANDARD_INPUT
from keras_mlm.errors import InputError

DEFAULT_FIELD = "text"
_JSON = ("jsonl", "ndjson", "json")
_TABLES = ("csv", "tsv")
_PARQUET = "parquet"

# What JSON can spell and UTF-8 cannot, and what stands for bytes that are not UTF-8 where these are to be skipped.
UNSUITABLE = re.compile("[\0\ud800-\udfff]")


def has_rows(path: str, field: str | None) -> bool:
    """Return whether a file holds a document a row; standard input, without a suffix, does where a field is named."""
    return field is not None if path == STANDARD_INPUT else file_kind(path) in (*_JSON, *_TABLES, _PARQUET)


def read_row_texts(path: str, field: str, errors: str, left_out: LeftOut) -> Iterator[tuple[int, str]]:
    """Stream the texts of a file of rows, with their lines; in Parquet with their rows.

    Args:
        path: str, a file of JSONL, CSV or TSV, plain or packed, or of Parquet; or `"-"`, which is JSONL.
        field: str, the entry of the objects, or the column of the table: its name in the first line, or its number,
            from 1, where that line holds no names.
        errors: `"strict"` stops at a row that cannot be read; `"replace"` too, but puts U+FFFD in the place of what is
            not UTF-8; `"skip"` leaves such rows out.
        left_out: `LeftOut`, counts them under `"unreadable_documents"`, and rows without text under
            `"empty_documents"`.

    Returns:
        Iterator of `(line, text)`.

    Raises:
        InputError: a row cannot be read, or there is no such column; the message names file, line and the way out.
    """

    def complain(error: InputError) -> None:
        if errors != "skip":
            raise InputError(f"{error}; correct it, or leave such rows out with --errors skip")
        left_out.add("unreadable_documents", str(error))

    # Bytes that are not UTF-8 cost their own row alone where rows are skipped.
    decoding = "surrogateescape" if errors == "skip" else errors
    kind, word = file_kind(path), row_word(path)
    read = parquet_texts if kind == _PARQUET else _columns if kind in _TABLES else _entries
    for line, text in read(path, field, decoding, complain):
        unsuitable = UNSUITABLE.search(text)
        if unsuitable and errors == "replace":
            text = UNSUITABLE.sub("\ufffd", text)
        elif unsuitable:
            what = "a NUL character" if unsuitable[0] == "\0" else "what is not UTF-8"
            complain(InputError(f"{path}, {word} {line}: the text holds {what}"))
            continue
        if text.strip():
            yield line, text
        else:
            left_out.add("empty_documents", f"{path}, {word} {line}: no text")


def _entries(path: str, field: str, errors: str, complain: Callable[[InputError], None]) -> Iterator[tuple[int, str]]:
    for line, entries in json_rows(path, errors=errors, complain=complain):
        value = entries.get(field)
        if isinstance(value, str):
            yield line, value
        elif field in entries:
            kind = "null" if value is None else f"of type {type(value).__name__}"
            complain(InputError(f"{path}, line {line}: {field!r} is {kind}, not a string"))
        else:
            there = ", ".join(map(repr, list(entries)[:10])) or "none"
            complain(InputError(f"{path}, line {line}: no {field!r}; there are {there}: choose one with --field"))


def _columns(path: str, field: str, errors: str, complain: Callable[[InputError], None]) -> Iterator[tuple[int, str]]:
    place = width = 0
    for line, cells in table_rows(path, errors=errors, complain=complain):
        if not width:
            width = len(cells)
            named = not field.isdecimal()
            try:
                place = column_place(f"{path}, line {line}", "text", field, cells, named=named)
            except InputError as error:
                raise InputError(f"{error}: choose one with --field") from None
            if named:
                continue
        try:
            check_width(f"{path}, line {line}", cells, width)
        except InputError as error:
            complain(error)
        else:
            yield line, cells[place]
