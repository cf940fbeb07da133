"""Standard input, kept so that it can be read more than once and told from another."""

import functools
import hashlib
import os
import sys
import tempfile
from typing import BinaryIO

from keras_mlm.data.progress import progress_bar
from keras_mlm.errors import InputError, RunError

STANDARD_INPUT = "-"
_CHUNK_BYTES = 1 << 20


class StandardInput:
    """What came through standard input, in a temporary file that has no name and is gone when the process ends.

    Args:
        stream: binary file, read to its end.

    Example:
        ```python
        kept = StandardInput(sys.stdin.buffer)
        with kept.open() as file:
            print(file.read(100), kept.bytes, kept.sha256)
        ```
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.bytes = 0
        digest = hashlib.sha256()
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
            with progress_bar("Reading standard input", None, "bytes") as bar:
                while chunk := stream.read(_CHUNK_BYTES):
                    self._file.write(chunk)
                    digest.update(chunk)
                    self.bytes += len(chunk)
                    bar.update(len(chunk))
            self._file.flush()
        except OSError as error:
            raise RunError(
                f"standard input could not be kept in {tempfile.gettempdir()} ({error.strerror or error}): "
                "free some space or set TMPDIR"
            ) from error
        self.sha256 = digest.hexdigest()

    def open(self) -> BinaryIO:
        """Return it from its beginning, for one reader at a time."""
        file = os.fdopen(os.dup(self._file.fileno()), "rb")
        file.seek(0)
        return file


@functools.cache
def standard_input() -> StandardInput:
    """Return this process's standard input, which is read to its end at the first call.

    Raises:
        InputError: there is none.
        RunError: it does not fit on the disk.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("- is standard input, and there is none: pipe text into the command or name a file")
    return StandardInput(sys.stdin.buffer)
