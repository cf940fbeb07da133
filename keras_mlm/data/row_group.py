"""Reads a group of whole shards and cuts its records into rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mlm.data.row_packing import Packing, pack
from keras_mlm.layers.preprocessing.segment_packer import with_word_starts
from keras_mlm.layers.preprocessing.sentence_pool import SentencePool, sentence_pool


class RowGroup(NamedTuple):
    """The rows of some shards, each one or several spans of one run of tokens.

    Args:
        tokens: int32 `(tokens,)`, the special ids and then the tokens of all records.
        words: int32 `(tokens,)`, these `with_word_starts`, or `None` where not asked for.
        pos_ids: int32 `(tokens,)`, 0 for no part of speech; or `None` where not asked for.
        pool: `SentencePool` of the records, or `None` where not asked for.
        starts: int32 `(spans,)`, where each span begins in `tokens`.
        lengths: int32 `(spans,)`.
        documents: int64 `(spans,)`.
        splits: int32 `(rows + 1,)`, where the rows begin in the three above; `None` where each span is a row.
    """

    tokens: tf.Tensor
    words: tf.Tensor | None
    pos_ids: tf.Tensor | None
    pool: SentencePool | None
    starts: tf.Tensor
    lengths: tf.Tensor
    documents: tf.Tensor
    splits: tf.Tensor | None = None


def read_row_group(
    paths: tf.Tensor,
    records: tf.Tensor,
    tokens: tf.Tensor,
    *,
    token_dtype: str,
    width: int,
    special_ids: Sequence[int],
    special_word_starts: Sequence[bool] | None,
    parts_of_speech: bool,
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
        parts_of_speech: bool, whether to read those of the records.
        sentences: bool, whether to build the pool of sentences.

    Returns:
        A `RowGroup`.

    Raises:
        tf.errors.OpError: a shard cannot be read or does not hold what the manifest says.
    """
    data = tf.data.TFRecordDataset(paths).batch(tf.maximum(records, 1)).get_single_element()
    wanted = {
        "token_ids": True, "word_starts": special_word_starts is not None, "pos_ids": parts_of_speech,
        "sentence_starts": sentences,
    }  # fmt: skip
    names = [name for name, is_wanted in wanted.items() if is_wanted]
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
    words = pos_ids = pool = None
    if special_word_starts is not None:
        word_starts = tf.concat([special_word_starts, decode("word_starts", tf.uint8) > 0], 0)
        words = with_word_starts(token_ids, word_starts)
    if parts_of_speech:
        pos_ids = tf.concat([[0] * len(special_ids), tf.cast(decode("pos_ids", tf.uint8), tf.int32)], 0)
    if sentences:
        flags = tf.concat([[False] * len(special_ids), decode("sentence_starts", tf.uint8) > 0], 0)
        documents = tf.concat([[tf.constant(-1, tf.int64)], features["document_id"]], 0)
        pool = sentence_pool(token_ids, flags, tf.concat([[len(special_ids)], ends], 0), documents, first_record=1)
    return RowGroup(
        tokens=token_ids,
        words=words,
        pos_ids=pos_ids,
        pool=pool,
        starts=starts,
        lengths=tf.minimum(width, tf.gather(ends, record_of_row) - starts),
        documents=tf.gather(features["document_id"], record_of_row),
    )


def pack_row_group(group: RowGroup, spans: tf.Tensor, rows: tf.Tensor, room: int) -> RowGroup:
    """Put the spans of each shard into as few rows as `pack` finds.

    Args:
        group: `RowGroup` of spans, one shard's behind another's.
        spans: int64 `(shards,)`, how many spans of the group are each shard's.
        rows: int64 scalar, how many rows there must be in all.
        room: int, tokens a row, special ones included.

    Returns:
        A `RowGroup` with `splits`.

    Raises:
        tf.errors.OpError: there is another number of rows.
    """

    def pack_shards(lengths: np.ndarray, spans: np.ndarray) -> Packing:
        packings: list[Packing] = []
        for end, count in zip(np.cumsum(spans), spans, strict=True):
            packing = pack(lengths[end - count : end], room)
            before = packings[-1].splits[-1] if packings else 0
            packings.append(
                packing._replace(sources=packing.sources + np.int32(end - count), splits=packing.splits + before)
            )
        sources, offsets, lengths = (np.concatenate(part) for part in list(zip(*packings, strict=True))[:3])
        splits = [packing.splits[bool(number) :] for number, packing in enumerate(packings)]
        return Packing(sources, offsets, lengths, np.concatenate(splits))

    # In NumPy: one step depends on another, and it is done once for a group, not for a batch.
    packing = Packing(*tf.numpy_function(pack_shards, [group.lengths, spans], [tf.int32] * 4, stateful=False))
    sources, offsets, lengths, splits = (tf.ensure_shape(part, [None]) for part in packing)
    tf.debugging.assert_equal(tf.size(splits, tf.int64), rows + 1, "the rows of a shard are not those of its manifest")
    return group._replace(
        starts=tf.gather(group.starts, sources) + offsets,
        lengths=lengths,
        documents=tf.gather(group.documents, sources),
        splits=splits,
    )
