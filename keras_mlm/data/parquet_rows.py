"""The texts in a column of a Parquet file, read row group by row group."""

import io
from collections.abc import Callable, Iterator
from typing import Any

from keras_mlm.data.text_files import MAX_ROW_CHARACTERS, opened
from keras_mlm.errors import InputError

# Rows that are held as Python strings at once.
_ROWS = 256


def parquet_texts(
    path: str, field: str, errors: str, complain: Callable[[InputError], None]
) -> Iterator[tuple[int, str]]:
    """Stream the texts of a column with their rows, from 1.

    Args:
        path: str, a Parquet file.
        field: str, the column.
        errors: str, what invalid UTF-8 does, as of `bytes.decode`.
        complain: callable that gets the `InputError` of each row that cannot be read, and raises it or returns to go
            on behind that row.

    Raises:
        InputError: the file is no Parquet or is damaged, there is no such column, or it holds no strings.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{path}: reading Parquet needs pyarrow: pip install 'keras-mlm[parquet]'") from None
    row = 0
    try:
        with opened(path) as file, pyarrow.parquet.ParquetFile(io.BufferedReader(_RawFile(file))) as parquet:
            kinds = {column.name: column.type for column in parquet.schema_arrow}
            if field not in kinds:
                there = ", ".join(list(kinds)[:10]) or "none"
                raise InputError(f"{path}: no column {field!r}; there are {there}: choose one with --field")
            if not _is_text(kinds[field]):
                raise InputError(f"{path}: column {field!r} is of type {kinds[field]}, not strings")
            for batch in parquet.iter_batches(batch_size=_ROWS, columns=[field]):
                # As bytes: what is not UTF-8 costs its own row alone.
                for data in batch.column(0).cast(pyarrow.large_binary()).to_pylist():
                    row += 1
                    text = _text_of(f"{path}, row {row}", field, data, errors, complain)
                    if text is not None:
                        yield row, text
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        reason = str(error).splitlines()[0].rstrip(".")
        place = f"behind row {row} " if row else ""
        raise InputError(f"{path} is no Parquet file, damaged or cut off {place}({reason})") from None


def _text_of(
    place: str, field: str, data: bytes | None, errors: str, complain: Callable[[InputError], None]
) -> str | None:
    if data is None:
        complain(InputError(f"{place}: {field!r} is null, not a string"))
        return None
    if len(data) > MAX_ROW_CHARACTERS:
        complain(InputError(f"{place}: more than {MAX_ROW_CHARACTERS:,} bytes in one row"))
        return None
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place}: byte {error.start} is not UTF-8: go on with --errors replace, or leave such rows out with "
            "--errors skip"
        ) from None


def _is_text(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind)
    )


class _RawFile(io.RawIOBase):
    """A file of `tf.io.gfile` as Python's own files are."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
