"""The sentences that a batch or a group of shards offers for sentence pairs, as flat tensors."""

from typing import NamedTuple

import tensorflow as tf


class SentencePool(NamedTuple):
    """Everything that pairing needs to know about a run of records that lie one after the other.

    Args:
        tokens: int32 `(tokens,)`, the ids of all records.
        boundaries: int32 `(sentences + 1,)`, where sentences start in `tokens`, ascending, and where the last one ends.
        starts: int32 `(sentences,)`, where sentences start, those with the longest rest of their record first.
        rests: int32 `(sentences,)`, tokens from there to the end of the record, descending.
        documents: int64 `(sentences,)`, the document of each of `starts`.
        by_document: int32 `(sentences,)`, indices into `starts`, ordered by document.
        ordered_documents: int64 `(sentences,)`, `documents` in that order.
    """

    tokens: tf.Tensor
    boundaries: tf.Tensor
    starts: tf.Tensor
    rests: tf.Tensor
    documents: tf.Tensor
    by_document: tf.Tensor
    ordered_documents: tf.Tensor


def sentence_pool(
    tokens: tf.Tensor, sentence_starts: tf.Tensor, record_ends: tf.Tensor, record_documents: tf.Tensor,
    first_record: int | tf.Tensor = 0,
) -> SentencePool:  # fmt: skip
    """Build the pool of all records, or of those from `first_record` on.

    Args:
        tokens: int32 `(tokens,)`.
        sentence_starts: bool `(tokens,)`; a record's first token counts as one whether marked or not.
        record_ends: int32 `(records,)`, where each record ends in `tokens`; the next one begins there.
        record_documents: int64 `(records,)`.
        first_record: int, the first record negatives may come from; earlier ones only give boundaries. Defaults to `0`.

    Returns:
        A `SentencePool`.
    """
    lengths = record_ends - tf.concat([[0], record_ends[:-1]], 0)
    # Where a record is empty, its end is also that of its predecessor; marking both does no harm.
    marked = tf.cast(sentence_starts, tf.int32)
    firsts = tf.boolean_mask(record_ends - lengths, lengths > 0)
    marked = tf.tensor_scatter_nd_max(marked, firsts[:, None], tf.ones_like(firsts))
    places = tf.cast(tf.where(marked > 0)[:, 0], tf.int32)
    boundaries = tf.concat([places, [tf.size(tokens)]], 0)
    records = tf.searchsorted(record_ends, places, side="right")
    places = tf.boolean_mask(places, records >= first_record)
    records = tf.boolean_mask(records, records >= first_record)
    rests = tf.gather(record_ends, records) - places
    order = tf.argsort(rests, direction="DESCENDING", stable=True)
    documents = tf.gather(tf.gather(record_documents, records), order)
    by_document = tf.argsort(documents, stable=True)
    return SentencePool(
        tokens, boundaries, tf.gather(places, order), tf.gather(rests, order), documents,
        by_document, tf.gather(documents, by_document),
    )  # fmt: skip
