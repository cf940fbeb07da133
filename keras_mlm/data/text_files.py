"""Text files: what paths stand for, and the lines of plain, .gz and .xz files, here or on another machine."""

import codecs
import contextlib
import glob
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_mlm.data.standard_input import STANDARD_INPUT, standard_input
from keras_mlm.errors import InputError

SUFFIXES = (".txt", ".jsonl", ".gz", ".xz")
# Tables lie beside texts without being one, as labelled sets do: they are looked for where a column is named.
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
PACKED = (".gz", ".xz")
CHUNK_BYTES = 1 << 20
MAX_LINE_CHARACTERS = 1 << 20
# A row of a JSONL file or a table is held in memory as a whole, which has to end somewhere.
MAX_ROW_CHARACTERS = 1 << 25

# Bytes that plain text does not hold: control characters other than tab, line feed, form feed, carriage return, escape.
_CONTROL = bytes(sorted({*range(32), 127} - {9, 10, 12, 13, 27}))


def list_files(paths: Sequence[str], *, tables: bool = False) -> list[str]:
    """Return the text files that paths stand for, in order.

    Args:
        paths: sequence of str: files, folders, patterns such as `"corpus/*.jsonl.gz"`, `"-"` for standard input; here
            or wherever `tf.io.gfile` reaches.
        tables: bool, whether `.csv`, `.tsv` and `.parquet` files are looked for in folders too. Defaults to `False`.

    Returns:
        list of str.

    Raises:
        InputError: a path is missing, a folder has no text files, or a pattern fits nothing.

    Example:
        ```python
        list_files(["news.txt", "corpus/"])
        ```
    """
    if not paths:
        raise InputError("no text given: name at least one file or folder")
    return [file for path in paths for file in _files_of(path, tables)]


def one_file(path: str) -> str:
    """Return the file that a path stands for, and raise `InputError` where it is none or stands for several."""
    files = list_files([path])
    if len(files) > 1:
        raise InputError(f"{path} stands for {len(files)} files: name one")
    return files[0]


def describe_paths(paths: Sequence[str], *, tables: bool = False) -> list[dict[str, Any]]:
    """Return what tells one set of texts from another without reading it: each path, its files and their bytes.

    Standard input, which has nothing but its content, is told by that.
    """
    return [
        {"path": path, "files": len(files), "bytes": sum(map(_size, files))}
        | ({"sha256": standard_input().sha256} if path == STANDARD_INPUT else {})
        for path in paths
        for files in [list_files([path], tables=tables)]
    ]


def read_lines(path: str, *, errors: str = "strict", whole: bool = False) -> Iterator[str]:
    """Stream the lines of one text file, without line ends.

    Args:
        path: str, a plain, `.gz` or `.xz` file, or `"-"`.
        errors: `"strict"`, `"replace"` or `"surrogateescape"`, what invalid UTF-8 does. Defaults to `"strict"`.
        whole: bool, whether a long line stays one. Defaults to `False`.

    Returns:
        Iterator of str. A line of more than 1,048,576 characters comes in pieces; with `whole`, one of more than
        33,554,432 loses its end, but stays longer than that, so that it can be told.

    Raises:
        InputError: the file cannot be read, is binary, damaged or not UTF-8; the message names it and the byte.
    """
    pieces: list[str] = []
    characters = 0
    for text in _decoded(path, errors):
        first, *others = text.split("\n")
        if not whole or characters <= MAX_ROW_CHARACTERS:
            pieces.append(first)
            characters += len(first)
        if others:
            *lines, last = others
            yield "".join(pieces)
            yield from lines
            pieces, characters = [last], len(last)
        if characters > MAX_LINE_CHARACTERS and not whole:
            yield "".join(pieces)
            pieces, characters = [], 0
    if characters:
        yield "".join(pieces)


def _files_of(path: str, tables: bool) -> list[str]:
    if path == STANDARD_INPUT:
        return [path]
    with _remote_errors(path):
        place: Any = _tensorflow().io.gfile if _is_remote(path) else os.path
        if place.isdir(path):
            suffixes = (*SUFFIXES, *TABLE_SUFFIXES) if tables else SUFFIXES
            found = sorted(_walk(path, suffixes, tables))
            if not found:
                others = "" if tables else f"; {', '.join('*' + s for s in TABLE_SUFFIXES)} with --field"
                raise InputError(f"no text files in {path}: looked for {', '.join('*' + s for s in suffixes)}{others}")
            return found
        if place.exists(path):
            return [path]
        if glob.has_magic(path):
            # Path.glob takes no pattern from the root.
            found = sorted(place.glob(path) if _is_remote(path) else glob.glob(path, recursive=True))  # noqa: PTH207
            if not found:
                raise InputError(f"nothing fits {path}")
            return [file for one in found for file in (_files_of(one, tables) if place.isdir(one) else [one])]
    raise InputError(f"{path} does not exist")


def _walk(folder: str, suffixes: tuple[str, ...], tables: bool) -> Iterator[str]:
    remote = _is_remote(folder)
    for place, folders, names in (_tensorflow().io.gfile.walk if remote else os.walk)(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or not name.endswith(suffixes):
                continue
            if tables or not name.removesuffix(".gz").removesuffix(".xz").endswith(TABLE_SUFFIXES):
                yield f"{place.rstrip('/')}/{name}" if remote else str(Path(place, name))


def _size(path: str) -> int:
    if path == STANDARD_INPUT:
        return standard_input().bytes
    if not _is_remote(path):
        return Path(path).stat().st_size
    with _remote_errors(path):
        return int(_tensorflow().io.gfile.stat(path).length)


def _is_remote(path: str) -> bool:
    return "://" in path


def _tensorflow() -> Any:
    # Files of this machine are read without it: it takes seconds to load.
    import tensorflow as tf

    return tf


@contextlib.contextmanager
def _remote_errors(path: str) -> Iterator[None]:
    """Turn what TensorFlow says about a path into one line."""
    if not _is_remote(path):
        yield
        return
    try:
        yield
    except _tensorflow().errors.OpError as error:
        raise InputError(f"{path} cannot be read: {error.message.splitlines()[0]}") from None


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """Open a file of bytes, here, on another machine or standard input; `.gz` and `.xz` unpacked."""
    with contextlib.ExitStack() as stack:
        file: Any
        if path == STANDARD_INPUT:
            file = standard_input().open()
        elif _is_remote(path):
            file = _tensorflow().io.gfile.GFile(path, "rb")
        else:
            file = open(path, "rb")  # noqa: SIM115 (closed by the stack)
        stack.enter_context(file)
        if path.endswith(".gz"):
            file = stack.enter_context(gzip.GzipFile(fileobj=file))
        elif path.endswith(".xz"):
            file = stack.enter_context(lzma.LZMAFile(file))
        yield file


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
        if path.endswith(PACKED):
            where += " of the unpacked text"
        raise InputError(
            f"{path} is not UTF-8 at {where}: convert it (iconv -t UTF-8), or go on with --errors replace"
        ) from None


def _chunks(path: str) -> Iterator[bytes]:
    try:
        with _remote_errors(path), opened(path) as file:
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
