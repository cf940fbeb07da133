"""Picks, in every row of a batch, the positions to predict from random scores."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.preprocessing_layer import batch_and_width

_HIGHEST = np.uint32(2**32 - 1)


class Words(NamedTuple):
    """The words of a batch. A row has as many columns for words as it has tokens, the later ones are empty.

    Args:
        numbers: int32 `(batch, width)`, each token's word, counted through the whole batch in steps of `width` a row.
        sizes: int32 `(batch, width)`, how many candidates word w of a row has.
    """

    numbers: tf.Tensor
    sizes: tf.Tensor


def find_words(candidates: tf.Tensor, word_starts: tf.Tensor) -> Words:
    """Return the words of rows.

    Args:
        candidates: bool `(batch, width)`; words count without the tokens that are none.
        word_starts: bool `(batch, width)`.
    """
    batch, width = batch_and_width(candidates)
    starts = tf.cast(word_starts, tf.int32)
    numbers = tf.cumsum(starts, axis=1) - starts[:, :1]  # what precedes the first word start is a word, too
    numbers += (tf.range(batch) * width)[:, None]
    return Words(numbers, sum_by(numbers, tf.cast(candidates, tf.int32)))


def sum_by(numbers: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Return the sums of values with the same number, both `(batch, width)`; numbers count through the batch."""
    batch, width = batch_and_width(values)
    sums = tf.math.unsorted_segment_sum(tf.reshape(values, [-1]), tf.reshape(numbers, [-1]), batch * width)
    return tf.reshape(sums, [batch, width])


def select_tokens(scores: tf.Tensor, candidates: tf.Tensor, limit: tf.Tensor, slots: Any) -> tf.Tensor:
    """Select the candidates with the highest scores.

    Args:
        scores: uint32 `(batch, width)`, random, at least 1 and below 2³² - 1, no two in a row alike.
        candidates: bool `(batch, width)`.
        limit: int32 `(batch, 1)`, how many to select, at most `slots`; fewer where there are fewer candidates.
        slots: int, at least 1.

    Returns:
        bool `(batch, width)`.
    """
    scores = tf.where(candidates, scores, np.uint32(0))
    # One look-up for all rows finds a row's `slots`-th highest score, which takes half the time of sorting out the
    # highest ones. A row that wants fewer gets the difference in scores that no token has.
    fill = tf.where(tf.range(slots) < limit, tf.constant(0, tf.uint32), tf.constant(_HIGHEST))
    lowest = tf.raw_ops.NthElement(input=tf.concat([scores, fill], axis=1), n=slots - 1, reverse=True)
    return scores >= tf.maximum(lowest, np.uint32(1))[:, None]


def select_words(scores: tf.Tensor, candidates: tf.Tensor, words: Words, limit: tf.Tensor) -> tf.Tensor:
    """Select whole words in the order of their scores; one that overflows the limit is skipped, later ones may fit.

    Args:
        scores: uint32 `(batch, width)`, random, at least 1; column w is the score of a row's word w.
        candidates: bool `(batch, width)`, those that the words were found with.
        words: `Words`.
        limit: int32 `(batch, 1)`, the most tokens to select.

    Returns:
        bool `(batch, width)`.
    """
    batch, width = batch_and_width(scores)
    order = tf.math.top_k(tf.where(words.sizes > 0, scores, np.uint32(0)), width).indices
    sizes = tf.gather(words.sizes, order, batch_dims=1)

    def overflowing(kept: tf.Tensor) -> tf.Tensor:
        return kept & (tf.cumsum(tf.where(kept, sizes, 0), axis=1) > limit)

    def skip(kept: tf.Tensor, over: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # What precedes the first overflow is selected for good. Words longer than the room it leaves can never fit,
        # as room only shrinks: all of them are skipped at once, and few passes reach what one by one would give.
        total = tf.cumsum(tf.where(kept, sizes, 0), axis=1)
        room = limit - tf.reduce_max(tf.where(total <= limit, total, 0), axis=1, keepdims=True)
        kept &= ~(over & (sizes > room))
        return kept, overflowing(kept)

    kept = sizes > 0
    kept, _ = tf.while_loop(lambda kept, over: tf.reduce_any(over), skip, (kept, overflowing(kept)))
    by_word = tf.scatter_nd(
        tf.reshape(order + (tf.range(batch) * width)[:, None], [-1, 1]),
        tf.reshape(tf.cast(kept, tf.int32), [-1]),
        [batch * width],
    )
    return candidates & (tf.gather(by_word, words.numbers) > 0)
