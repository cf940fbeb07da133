"""Writes records into shards of bounded size and counts what the manifest needs."""

import collections

import tensorflow as tf

from keras_mlm.data.manifest import Shard
from keras_mlm.data.token_record import TokenRecord, serialize_record

# Small shards: an epoch is shuffled by permuting shards and holding a few of them in memory.
SHARD_BYTES = 4_000_000


class ShardWriter:
    """Writes the records of one split into `SPLIT-00000.tfrecord`, `SPLIT-00001.tfrecord`, ... of bounded size.

    A shard is written under another name and renamed when it is complete. Used as a context, an exception removes the
    shard that is open.

    Args:
        folder: str, an existing folder.
        split: str, `"training"` or `"validation"`.
        token_dtype: `"uint16"` or `"int32"`.
        shard_bytes: int, the most bytes of records a shard. Defaults to `4_000_000`.

    Example:
        ```python
        with ShardWriter("data", "training", "uint16") as writer:
            writer.write(record)
        print(writer.shards)
        ```
    """

    def __init__(self, folder: str, split: str, token_dtype: str, shard_bytes: int = SHARD_BYTES) -> None:
        self.shards: list[Shard] = []
        self._folder = folder
        self._split = split
        self._token_dtype = token_dtype
        self._shard_bytes = shard_bytes
        self._writer: tf.io.TFRecordWriter | None = None
        self._path = ""
        self._bytes = 0
        self._lengths: collections.Counter[int] = collections.Counter()

    def write(self, record: TokenRecord) -> None:
        """Append one record."""
        self.write_serialized(serialize_record(record, self._token_dtype), len(record.token_ids))

    def write_serialized(self, data: bytes, tokens: int) -> None:
        """Append a record that is serialized already, and has so many tokens."""
        if self._writer is not None and self._bytes + len(data) > self._shard_bytes:
            self.close()
        if self._writer is None:
            self._path = tf.io.gfile.join(self._folder, f"{self._split}-{len(self.shards):05d}.tfrecord")
            self._writer = tf.io.TFRecordWriter(self._path + ".partial")
        self._writer.write(data)
        self._bytes += len(data)
        self._lengths[tokens] += 1

    def close(self) -> None:
        """Finish the open shard, if there is one."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        tf.io.gfile.rename(self._path + ".partial", self._path, overwrite=True)
        lengths = sorted(self._lengths.items())
        self.shards.append(
            Shard(
                file=self._path.rsplit("/", 1)[-1],
                bytes=tf.io.gfile.stat(self._path).length,
                records=sum(count for _, count in lengths),
                tokens=sum(length * count for length, count in lengths),
                record_lengths=lengths,
            )
        )
        self._bytes = 0
        self._lengths.clear()

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        if exception_type is None:
            self.close()
        elif self._writer is not None:
            self._writer = None
            tf.io.gfile.remove(self._path + ".partial")
