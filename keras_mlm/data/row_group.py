"""Reads a group of whole shards and cuts its records into rows."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from keras_mlm.layers.preprocessing.sentence_pool import SentencePool, sentence_pool


class RowGroup(NamedTuple):
    """The rows of some shards as spans of one run of tokens.

    Args:
        tokens: int32 `(tokens,)`, the special ids and then the tokens of all records.
        word_starts: bool `(tokens,)`, or `None` where not asked for.
        pool: `SentencePool` of the records, or `None` where not asked for.
        starts: int32 `(rows,)`, where each row begins in `tokens`.
        lengths: int32 `(rows,)`.
        documents: int64 `(rows,)`.
    """

    tokens: tf.Tensor
    word_starts: tf.Tensor | None
    pool: SentencePool | None
    starts: tf.Tensor
    lengths: tf.Tensor
    documents: tf.Tensor


def read_row_group(
    paths: tf.Tensor,
    records: tf.Tensor,
    tokens: tf.Tensor,
    *,
    token_dtype: str,
    width: int,
    special_ids: Sequence[int],
    special_word_starts: Sequence[bool] | None,
    sentences: bool,
) -> RowGroup:
    """Read shards, in this order, and cut every record into rows of `width` tokens; the last row may be shorter.

    Args:
        paths: str `(shards,)`.
        records: int64 scalar, how many records the shards hold together.
        tokens: int64 scalar, how many tokens.
        token_dtype: `"uint16"` or `"int32"`, as the manifest says.
        width: int, tokens a row without its special ones.
        special_ids: sequence of int, ids to put in front of the tokens.
        special_word_starts: their word starts; `None` leaves word starts out.
        sentences: bool, whether to build the pool of sentences.

    Returns:
        A `RowGroup`.

    Raises:
        tf.errors.OpError: a shard cannot be read or does not hold what the manifest says.
    """
    data = tf.data.TFRecordDataset(paths).batch(tf.maximum(records, 1)).get_single_element()
    names = ["token_ids"] + ["word_starts"] * (special_word_starts is not None) + ["sentence_starts"] * sentences
    schema = {name: tf.io.FixedLenFeature([], tf.string) for name in names}
    features = tf.io.parse_example(data, {**schema, "document_id": tf.io.FixedLenFeature([], tf.int64)})
    dtype = tf.uint16 if token_dtype == "uint16" else tf.int32
    lengths = tf.strings.length(features["token_ids"]) // dtype.size
    tf.debugging.assert_equal(tf.reduce_sum(tf.cast(lengths, tf.int64)), tokens, "tokens missing in a shard")

    def decode(name: str, dtype: tf.DType) -> tf.Tensor:
        return tf.io.decode_raw(tf.strings.reduce_join(features[name]), dtype)

    # The special ids lie in front as a record of their own, from which no row is cut.
    token_ids = tf.concat([special_ids, tf.cast(decode("token_ids", dtype), tf.int32)], 0)
    ends = tf.cumsum(lengths) + len(special_ids)
    rows = -(-lengths // width)
    record_of_row = tf.repeat(tf.range(tf.size(rows)), rows)
    ordinals = tf.range(tf.size(record_of_row)) - tf.gather(tf.cumsum(rows, exclusive=True), record_of_row)
    starts = tf.gather(ends - lengths, record_of_row) + ordinals * width
    word_starts = pool = None
    if special_word_starts is not None:
        word_starts = tf.concat([special_word_starts, decode("word_starts", tf.uint8) > 0], 0)
    if sentences:
        flags = tf.concat([[False] * len(special_ids), decode("sentence_starts", tf.uint8) > 0], 0)
        documents = tf.concat([[tf.constant(-1, tf.int64)], features["document_id"]], 0)
        pool = sentence_pool(token_ids, flags, tf.concat([[len(special_ids)], ends], 0), documents, first_record=1)
    return RowGroup(
        tokens=token_ids,
        word_starts=word_starts,
        pool=pool,
        starts=starts,
        lengths=tf.minimum(width, tf.gather(ends, record_of_row) - starts),
        documents=tf.gather(features["document_id"], record_of_row),
    )
