"""A temporary file of documents that are read more than once."""

import struct
import tempfile
from collections.abc import Callable, Iterator

_HEADER = struct.Struct("<qQ")  # fingerprint, bytes of text


class DocumentSpool:
    """Keeps documents as sentences in an unnamed temporary file, so that a source has to be read only once.

    Choosing a validation half, training a vocabulary and writing records each need a pass over the documents that were
    kept. The file takes as much disk as the text, has no name, and is gone when the process ends, however it ends.

    Args:
        folder: str, where the file lies; or `None` for the system's temporary folder. Defaults to `None`.

    Example:
        ```python
        with DocumentSpool() as spool:
            spool.append(17, ["A sentence.", "Another."])
            for fingerprint, sentences in spool.read():
                print(fingerprint, sentences)
        ```
    """

    def __init__(self, folder: str | None = None) -> None:
        self.characters = 0
        self._file = tempfile.TemporaryFile(dir=folder, buffering=1 << 20)  # noqa: SIM115 (closed by the context)

    def append(self, fingerprint: int, sentences: list[str]) -> None:
        """Add a document: its fingerprint and its sentences, which hold no line feed."""
        text = "\n".join(sentences)
        self.characters += len(text)
        data = text.encode("utf-8", "surrogatepass")
        self._file.write(_HEADER.pack(fingerprint, len(data)))
        self._file.write(data)

    def read(self, wanted: Callable[[int], bool] | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield fingerprints and sentences in order; with `wanted`, of the documents whose fingerprint it accepts."""
        self._file.seek(0)
        while header := self._file.read(_HEADER.size):
            fingerprint, size = _HEADER.unpack(header)
            if wanted is not None and not wanted(fingerprint):
                self._file.seek(size, 1)
            else:
                yield fingerprint, self._file.read(size).decode("utf-8", "surrogatepass").split("\n")

    def __enter__(self) -> "DocumentSpool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
