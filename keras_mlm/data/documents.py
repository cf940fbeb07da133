"""Streams documents out of text files: plain, .gz or .xz, a blank line between documents."""

import codecs
import dataclasses
import gzip
import io
import logging
import lzma
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)

SUFFIXES = (".txt", ".gz", ".xz")
CHUNK_BYTES = 1 << 20
# A text without blank lines is one document. It is cut here, so that no document outgrows the memory.
MAX_DOCUMENT_CHARACTERS = 1 << 20

# Bytes that plain text does not hold: control characters other than tab, line feed, form feed, carriage return, escape.
_CONTROL = bytes(sorted({*range(32), 127} - {9, 10, 12, 13, 27}))


@dataclasses.dataclass(frozen=True)
class Document:
    """One document: its lines, and where they came from.

    Args:
        source: str, the file.
        line: int, number of its first line in the file, from 1.
        lines: list of str, a sentence or a paragraph each; none is blank.
    """

    source: str
    line: int
    lines: list[str]

    @property
    def text(self) -> str:
        """The lines, joined by line feeds."""
        return "\n".join(self.lines)


def read_documents(paths: Sequence[str], *, errors: Literal["strict", "replace"] = "strict") -> Iterator[Document]:
    """Stream the documents of text files and folders; no file is ever held in memory as a whole.

    A blank line ends a document; every other line is a sentence or a paragraph. Text is UTF-8, with or without a byte
    order mark, with any line ends. Folders are searched for `.txt`, `.gz` and `.xz` files in sorted order, hidden ones
    left out. A document longer than 1,048,576 characters is cut into several.

    Args:
        paths: list of str, files and folders.
        errors: `"strict"` stops at invalid UTF-8, `"replace"` puts U+FFFD in its place. Defaults to `"strict"`.

    Returns:
        Iterator of `Document`, in the order of `paths`.

    Raises:
        InputError: a path is missing, a folder has no text files, a file is binary, damaged or not UTF-8, or there is
            no text in any of them. Paths are checked at the call, contents as they are read.

    Example:
        ```python
        for document in read_documents(["news.txt.xz", "reports/"]):
            print(document.lines[0])
        ```
    """
    return _documents_of(list_files(paths), errors)


def describe_paths(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return what tells one set of texts from another without reading it: each path, its files and their bytes."""
    return [
        {"path": path, "files": len(files), "bytes": sum(Path(file).stat().st_size for file in files)}
        for path in paths
        for files in [list_files([path])]
    ]


def list_files(paths: Sequence[str]) -> list[str]:
    """Return the text files that paths stand for, in order. Raises `InputError` as `read_documents` does."""
    if not paths:
        raise InputError("no text given: name at least one file or folder")
    files = []
    for path in paths:
        if Path(path).is_dir():
            found = sorted(_walk(path))
            if not found:
                raise InputError(f"no text files in {path}: looked for {', '.join('*' + s for s in SUFFIXES)}")
            files += found
        elif Path(path).exists():
            files.append(path)
        else:
            raise InputError(f"{path} does not exist")
    return files


def read_lines(path: str, *, errors: str = "strict", whole: bool = False) -> Iterator[str]:
    """Stream the lines of one text file, without line ends.

    Args:
        path: str, a plain, `.gz` or `.xz` file.
        errors: `"strict"` or `"replace"`, what invalid UTF-8 does. Defaults to `"strict"`.
        whole: bool, whether even the longest line stays one. Defaults to `False`.

    Returns:
        Iterator of str. A line of more than 1,048,576 characters comes in pieces, but for `whole`.

    Raises:
        InputError: the file cannot be read, is binary, damaged or not UTF-8; the message names it and the byte.
    """
    rest = ""
    for text in _decoded(path, errors):
        *lines, rest = (rest + text).split("\n")
        yield from lines
        if len(rest) > MAX_DOCUMENT_CHARACTERS and not whole:
            yield rest
            rest = ""
    if rest:
        yield rest


def _walk(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield str(Path(place, name))


def _documents_of(files: list[str], errors: str) -> Iterator[Document]:
    empty = []
    for path in files:
        document = None
        for document in _split_at_blank_lines(path, errors):
            yield document
        if document is None:
            empty.append(path)
    if len(empty) == len(files):
        raise InputError(f"no text in {', '.join(files[:3])}{' and others' if len(files) > 3 else ''}: nothing to read")
    for path in empty:
        logger.warning("%s is empty", path)


def _split_at_blank_lines(path: str, errors: str) -> Iterator[Document]:
    lines: list[str] = []
    start, characters = 1, 0
    for number, line in enumerate(read_lines(path, errors=errors), 1):
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


def _open(path: str) -> BinaryIO | gzip.GzipFile | lzma.LZMAFile:
    if path.endswith(".gz"):
        return gzip.open(path, "rb")
    if path.endswith(".xz"):
        return lzma.open(path, "rb")
    return open(path, "rb")


def _decoded(path: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    offset = 0
    for chunk in _chunks(path):
        if offset == 0:
            _check_text(path, chunk)
            if chunk.startswith(codecs.BOM_UTF8):
                chunk = chunk[len(codecs.BOM_UTF8) :]
                offset = len(codecs.BOM_UTF8)
        yield newlines.decode(_decode(path, decoder, chunk, offset))
        offset += len(chunk)
    yield newlines.decode(_decode(path, decoder, b"", offset, final=True), final=True)


def _decode(path: str, decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, final: bool = False) -> str:
    pending = len(decoder.getstate()[0])
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        where = f"byte {offset - pending + error.start}"
        if path.endswith((".gz", ".xz")):
            where += " of the unpacked text"
        raise InputError(
            f"{path} is not UTF-8 at {where}: convert it (iconv -t UTF-8), or go on with --errors replace"
        ) from None


def _chunks(path: str) -> Iterator[bytes]:
    try:
        with _open(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut off: {str(error).rstrip('.')}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _check_text(path: str, chunk: bytes) -> None:
    if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path} is UTF-16 text: convert it (iconv -f UTF-16 -t UTF-8)")
    null = chunk.find(b"\0")
    if null >= 0:
        raise InputError(f"{path} is a binary file (byte {null} is zero), not text")
    if len(chunk) - len(chunk.translate(None, _CONTROL)) > len(chunk) // 10:
        raise InputError(f"{path} is a binary file (more than a tenth are control characters), not text")
