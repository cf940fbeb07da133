"""The records of one split before they are put into shards, and what was counted making them."""

import dataclasses
import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from keras_mlm.whole_file import write_whole

_LENGTH = struct.Struct("<Q")
_CHECKSUM = 4


@dataclasses.dataclass(frozen=True)
class PreparedPart:
    """What a split became: counts that lie beside its file of records, written last.

    Args:
        record_tokens: list of int, the tokens of each record.
        documents: int, how many documents have records.
        sentences: int, how many sentences these hold.
        unknown_tokens: int, how many tokens are [UNK].
        seen: list of str, the held-out sentences that the split contains too.
        tags: list of str, the parts of speech that its records' `pos_ids` count from 1 on.
        digest: str, SHA-256 of the file of records.
        split_digest: str, SHA-256 of the documents it was made of.
        number: int, which split of the corpus that was.

    Example:
        ```python
        part = PreparedPart.load("data/news/.partial/part-5f0c91d2a7be3c44")
        ```
    """

    record_tokens: list[int]
    documents: int
    sentences: int
    unknown_tokens: int
    seen: list[str]
    tags: list[str]
    digest: str
    split_digest: str
    number: int

    def save(self, path: str) -> None:
        """Write `PATH.json`: aside first, then renamed.

        Args:
            path: str, the part's path without an ending.
        """
        write_whole(path + ".json", json.dumps(dataclasses.asdict(self)))

    @classmethod
    def load(cls, path: str) -> "PreparedPart":
        """Read what `save` wrote.

        Args:
            path: str, the part's path without an ending.

        Returns:
            `PreparedPart`.
        """
        with tf.io.gfile.GFile(path + ".json") as file:
            data: dict[str, Any] = json.loads(file.read())
        return cls(**data)

    @classmethod
    def is_finished(cls, path: str) -> bool:
        """Return whether a part is there, whole and undamaged.

        Args:
            path: str, the part's path without an ending.
        """
        try:
            return cls.load(path).digest == file_digest(path + ".tfrecord")
        except (tf.errors.OpError, ValueError, TypeError):
            return False


def records_in(path: str) -> Iterator[bytes]:
    """Yield the records of a part's file, which this preparation wrote or has compared with its digest."""
    with tf.io.gfile.GFile(path, "rb") as file:
        data = file.read()
    place = 0
    while place < len(data):  # a TFRecord: the length, its checksum, the data, their checksum
        (size,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size + _CHECKSUM
        yield data[place : place + size]
        place += size + _CHECKSUM


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file, local or remote."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
