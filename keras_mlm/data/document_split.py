"""A bounded run of documents in a file: what one worker prepares at a time."""

import dataclasses
import struct
from collections.abc import Callable, Iterator

import tensorflow as tf

_HEADER = struct.Struct("<qQ")  # fingerprint, bytes of text


def pack_document(fingerprint: int, lines: list[str]) -> bytes:
    """Return a document as it lies in the file of a split; no line holds a line feed."""
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    return _HEADER.pack(fingerprint, len(data)) + data


@dataclasses.dataclass(frozen=True)
class DocumentSplit:
    """Some documents of a corpus that follow each other, as fingerprints and lines in a file.

    Args:
        path: str, the file.
        place: str, the source and the line where its first document stands.
        documents: int, how many it holds.
        characters: int, how many these have.
        digest: str, SHA-256 of the file.

    Example:
        ```python
        for fingerprint, lines in split.read():
            print(fingerprint, lines)
        ```
    """

    path: str
    place: str
    documents: int
    characters: int
    digest: str

    def __str__(self) -> str:
        return f"the split that begins at {self.place}"

    def read(self, wanted: Callable[[int], bool] | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield fingerprints and lines in order.

        Args:
            wanted: callable that tells by its fingerprint whether a document is read. Defaults to `None`, all are.

        Returns:
            Iterator of `(fingerprint, lines)`.
        """
        with tf.io.gfile.GFile(self.path, "rb") as file:
            data = file.read()
        place = 0
        while place < len(data):
            fingerprint, size = _HEADER.unpack_from(data, place)
            place += _HEADER.size + size
            if wanted is None or wanted(fingerprint):
                yield fingerprint, data[place - size : place].decode("utf-8", "surrogatepass").split("\n")
