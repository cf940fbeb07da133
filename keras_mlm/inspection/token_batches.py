"""Reads the tokens of a prepared split in order, some records at a time, so that they can be counted as arrays."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mlm.data.manifest import Manifest, Shard
from keras_mlm.data.token_record import TOKEN_DTYPES, damaged_shard

# At most a million tokens: an array of them in 64 bits takes 8 MB.
_RECORDS = 256
# A place is the number of a shard, counted through all splits, times this, and the ordinal of a token in it.
_SHARD_PLACES = 1 << 40


class TokenBatch(NamedTuple):
    """Some records of one shard, in order.

    Args:
        first_place: int, the place of the first token; the others follow it.
        document_ids: int64 array `(records,)`.
        lengths: int64 array `(records,)`, tokens a record.
        token_ids: int array `(tokens,)` of all these records.
        word_starts: bool array `(tokens,)`.
        sentence_starts: bool array `(tokens,)`.
    """

    first_place: int
    document_ids: np.ndarray
    lengths: np.ndarray
    token_ids: np.ndarray
    word_starts: np.ndarray
    sentence_starts: np.ndarray


def first_place(manifest: Manifest, split: str) -> int:
    """Return the place of a split's first token; those of earlier splits are smaller."""
    names = list(manifest.splits)
    return sum(len(manifest.splits[name].shards) for name in names[: names.index(split)]) * _SHARD_PLACES


def read_token_batches(folder: str, manifest: Manifest, split: str) -> Iterator[TokenBatch]:
    """Read a split.

    Args:
        folder: str, the prepared corpus.
        manifest: `Manifest` of it.
        split: `"training"` or `"validation"`.

    Returns:
        Iterator of `TokenBatch`.

    Raises:
        InputError: a shard is missing or damaged, or does not hold what the manifest says; the message names it.

    Example:
        ```python
        for batch in read_token_batches("data/news", Manifest.load("data/news"), "training"):
            print(len(batch.token_ids))
        ```
    """
    place = first_place(manifest, split)
    for path, shard in zip(manifest.shard_paths(folder, split), manifest.splits[split].shards, strict=True):
        yield from _read_shard(path, shard, manifest, place)
        place += _SHARD_PLACES


def tokens_at(folder: str, manifest: Manifest, place: int, count: int) -> np.ndarray:
    """Return the ids of at most `count` tokens from a place on; none of the next shard."""
    number, offset = divmod(place, _SHARD_PLACES)
    shard = [shard for split in manifest.splits.values() for shard in split.shards][number]
    path = tf.io.gfile.join(folder, shard.file)
    begin = 0
    found: list[np.ndarray] = []
    for batch in _read_shard(path, shard, manifest, 0):
        end = begin + len(batch.token_ids)
        if end > offset:
            found.append(batch.token_ids[max(0, offset - begin) : offset + count - begin])
        if end >= offset + count:
            break
        begin = end
    return np.concatenate(found)


def _read_shard(path: str, shard: Shard, manifest: Manifest, place: int) -> Iterator[TokenBatch]:
    begin = place
    try:
        with tf.device("cpu:0"):
            for data in tf.data.TFRecordDataset(path).batch(_RECORDS):
                batch = _parse(data, manifest.token_dtype, place)
                if batch.token_ids.max(initial=0) >= manifest.vocabulary_size:
                    raise ValueError("an id that the vocabulary lacks")
                place += len(batch.token_ids)
                yield batch
    except (tf.errors.OpError, ValueError, LookupError) as error:
        raise damaged_shard(path) from error
    if place - begin != shard.tokens:
        raise damaged_shard(path)


def _parse(data: tf.Tensor, token_dtype: str, place: int) -> TokenBatch:
    names = ("token_ids", "word_starts", "sentence_starts")
    schema = {name: tf.io.FixedLenFeature([], tf.string) for name in names}
    features = tf.io.parse_example(data, {**schema, "document_id": tf.io.FixedLenFeature([], tf.int64)})
    dtype = TOKEN_DTYPES[token_dtype]
    lengths = tf.strings.length(features["token_ids"]).numpy().astype(np.int64) // dtype.itemsize
    joined = {name: tf.strings.reduce_join(features[name]).numpy() for name in names}
    token_ids = np.frombuffer(joined["token_ids"], dtype)
    words, sentences = (np.frombuffer(joined[name], np.uint8).astype(bool) for name in names[1:])
    if not lengths.sum() == len(token_ids) == len(words) == len(sentences) or lengths.min() < 1:
        raise ValueError("features of unequal length")
    return TokenBatch(place, features["document_id"].numpy(), lengths, token_ids, words, sentences)
