"""Streams documents out of text files, a blank line between them, and out of JSONL, tables and Parquet, a row each."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from keras_mlm.data.file_rows import row_word
from keras_mlm.data.left_out import LeftOut
from keras_mlm.data.row_texts import DEFAULT_FIELD, UNSUITABLE, has_rows, read_row_texts
from keras_mlm.data.text_files import list_files, read_lines
from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)

# A text without blank lines is one document. It is cut here, so that no document outgrows the memory.
MAX_DOCUMENT_CHARACTERS = 1 << 20


@dataclasses.dataclass(frozen=True)
class Document:
    """One document: its lines, and where they came from.

    Args:
        source: str, the file.
        line: int, number of its first line in the file, from 1; in Parquet that of its row.
        lines: list of str, a sentence or a paragraph each; none is blank.
    """

    source: str
    line: int
    lines: list[str]

    @property
    def text(self) -> str:
        """The lines, joined by line feeds."""
        return "\n".join(self.lines)

    @property
    def place(self) -> str:
        """Where it begins: `"news.txt, line 3"`; in Parquet the number is that of a row."""
        return f"{self.source}, {row_word(self.source)} {self.line}"


def read_documents(
    paths: Sequence[str],
    *,
    field: str | None = None,
    errors: Literal["strict", "replace", "skip"] = "strict",
    left_out: LeftOut | None = None,
) -> Iterator[Document]:
    """Stream the documents of files, folders, patterns and standard input; no file is ever held in memory as a whole.

    In plain text a blank line ends a document; every other line is a sentence or a paragraph. In `.jsonl` (`.ndjson`,
    `.json`), `.csv`, `.tsv` and `.parquet` every row is a document, whose blank lines are nothing special. All but
    Parquet may be packed as `.gz` or `.xz`. Text is UTF-8, with or without a byte order mark, with any line ends.
    Folders are searched for `.txt`, `.jsonl`, `.gz` and `.xz` files in sorted order, where a field is named for `.csv`,
    `.tsv` and `.parquet` too, hidden ones left out. A document longer than 1,048,576 characters is cut into several.

    Args:
        paths: list of str: files, folders, patterns such as `"corpus/*.jsonl.gz"`, `"-"` for standard input; here or
            wherever `tf.io.gfile` reaches.
        field: str, what holds the text of a row: the entry of an object, the column of a table by its name in the first
            line, or by its number where that line has no names. With it standard input is JSONL, else plain text.
            Defaults to `None`, which is `"text"`.
        errors: `"strict"` stops at invalid UTF-8 and at rows that cannot be read, `"replace"` puts U+FFFD in the place
            of what is not UTF-8, `"skip"` leaves such documents out. Defaults to `"strict"`.
        left_out: `LeftOut`, counts what is left out: `"unreadable_documents"` and, of rows, `"empty_documents"`.
            Defaults to `None`, a warning at the end.

    Returns:
        Iterator of `Document`, in the order of `paths`.

    Raises:
        InputError: a path is missing, a folder has no text files, a file is binary, damaged or not UTF-8, a row is no
            row, or there is no text in any of them. Paths are checked at the call, contents as they are read.

    Example:
        ```python
        for document in read_documents(["news.txt.xz", "reports/", "tickets.csv"], field="body"):
            print(document.lines[0])
        ```
    """
    files = list_files(paths, tables=field is not None)
    if field is not None and not any(has_rows(path, field) for path in files):
        raise InputError(
            f"--field {field} is for JSONL, CSV, TSV and Parquet, and there are none: leave it out for plain text"
        )
    return _documents_of(files, field, errors, left_out)


def _documents_of(files: list[str], field: str | None, errors: str, left_out: LeftOut | None) -> Iterator[Document]:
    empty = []
    counted = LeftOut() if left_out is None else left_out
    for path in files:
        rows = has_rows(path, field)
        document = None
        for document in (
            _rows_of(path, field or DEFAULT_FIELD, errors, counted) if rows else _texts_of(path, errors, counted)
        ):
            yield document
        if document is None:
            empty.append(path)
    told = "".join(
        f"; {counted.counts[reason]:,} {reason.replace('_', ' ')} left out: {'; '.join(samples)}"
        for reason, samples in counted.samples.items()
    )
    if len(empty) == len(files):
        others = " and others" if len(files) > 3 else ""
        raise InputError(f"no text in {', '.join(files[:3])}{others}: nothing to read{told}")
    for path in empty:
        logger.warning("%s is empty", path)
    if told and left_out is None:
        logger.warning("%s", told.removeprefix("; "))


def _texts_of(path: str, errors: str, left_out: LeftOut) -> Iterator[Document]:
    skip = errors == "skip"
    lines = read_lines(path, errors="surrogateescape" if skip else errors)
    for document in _split_at_blank_lines(path, enumerate(lines, 1)):
        if skip and any(not line.isascii() and UNSUITABLE.search(line) for line in document.lines):
            left_out.add("unreadable_documents", f"{path}, line {document.line}: a document that is not UTF-8")
        else:
            yield document


def _rows_of(path: str, field: str, errors: str, left_out: LeftOut) -> Iterator[Document]:
    for number, text in read_row_texts(path, field, errors, left_out):
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        yield from _split_at_blank_lines(path, ((number, piece) for line in lines for piece in _pieces(line)))


def _pieces(line: str) -> list[str]:
    """Return a line of a row in pieces that a document may have, and none of a blank one, which ends no document."""
    line = line.strip()
    starts = range(0, len(line), MAX_DOCUMENT_CHARACTERS)
    return [line[start : start + MAX_DOCUMENT_CHARACTERS] for start in starts]


def _split_at_blank_lines(path: str, numbered: Iterable[tuple[int, str]]) -> Iterator[Document]:
    lines: list[str] = []
    start, characters = 1, 0
    for number, line in numbered:
        line = line.strip()
        if line and characters < MAX_DOCUMENT_CHARACTERS:
            if not lines:
                start = number
            lines.append(line)
            characters += len(line)
        elif lines:
            yield Document(path, start, lines)
            lines, start, characters = [line] if line else [], number, len(line)
    if lines:
        yield Document(path, start, lines)
