"""Rows of JSONL, CSV and TSV files; what is wrong with one is told by file and line."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any

from keras_mlm.data.text_files import MAX_ROW_CHARACTERS, read_lines
from keras_mlm.errors import InputError


def refuse(error: InputError) -> None:
    """Raise what is wrong with a row: what happens where nothing else is asked for."""
    raise error


def file_kind(path: str) -> str:
    """Return the suffix that says what is in a file, in lower case without its dot: `"csv"` of `a.csv.gz`."""
    return path.removesuffix(".gz").removesuffix(".xz").rsplit(".", 1)[-1].lower()


def row_word(path: str) -> str:
    """Return what the numbers of a file's texts count: `"line"`, or in Parquet, which has none, `"row"`."""
    return "row" if file_kind(path) == "parquet" else "line"


def json_rows(
    path: str, *, errors: str = "strict", complain: Callable[[InputError], None] = refuse
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Stream the objects of a JSONL file with the lines they stand on, from 1; blank lines are passed over.

    Args:
        path: str, plain, `.gz` or `.xz`.
        errors: str, what invalid UTF-8 does, see `read_lines`. Defaults to `"strict"`.
        complain: callable that gets the `InputError` of each row that cannot be read, and raises it or returns to go
            on behind that row. Defaults to `refuse`, which raises it.
    """
    for number, line in enumerate(_lines(path, errors, complain), 1):
        if not line.strip():
            continue
        try:
            entries: Any = json.loads(line)
        except json.JSONDecodeError as error:
            complain(InputError(f"{path}, line {number}: not JSON: {error.msg} at character {error.pos + 1}"))
        except (ValueError, RecursionError) as error:  # a number of many digits, brackets in brackets in brackets
            complain(InputError(f"{path}, line {number}: not JSON: {error}"))
        else:
            if isinstance(entries, dict):
                yield number, entries
            else:
                complain(InputError(f"{path}, line {number}: a JSON object belongs on each line"))


def table_rows(
    path: str, *, errors: str = "strict", complain: Callable[[InputError], None] = refuse
) -> Iterator[tuple[int, list[str]]]:
    """Stream the cells of a table with the lines that rows begin on, from 1; blank lines are passed over.

    In `.csv` commas separate cells and quotes may stand around them; in `.tsv` tabs do, and quotes are nothing special.

    Args:
        path: str, plain, `.gz` or `.xz`.
        errors: str, what invalid UTF-8 does, see `read_lines`. Defaults to `"strict"`.
        complain: callable, see `json_rows`. Defaults to `refuse`.
    """
    lines = _lines(path, errors, complain)
    if file_kind(path) == "tsv":
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.split("\t")
        return
    reader = csv.reader((line + "\n" for line in lines), strict=True)
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is never closed takes all that follows with it.
            end = f" (it goes to line {reader.line_num})" if reader.line_num > begins else ""
            complain(InputError(f"{path}, line {begins}: not CSV: {error}{end}"))
            continue
        if cells:
            yield begins, cells


def _lines(path: str, errors: str, complain: Callable[[InputError], None]) -> Iterator[str]:
    for number, line in enumerate(read_lines(path, errors=errors, whole=True), 1):
        if len(line) > MAX_ROW_CHARACTERS:
            complain(InputError(f"{path}, line {number}: more than {MAX_ROW_CHARACTERS:,} characters in one line"))
            line = ""
        yield line
