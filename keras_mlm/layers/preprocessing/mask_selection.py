"""Picks, in every row of a batch, the positions to predict from random scores."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.preprocessing_layer import batch_and_width

_HIGHEST = np.uint32(2**32 - 1)


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


def select_words(scores: tf.Tensor, candidates: tf.Tensor, word_starts: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    """Select whole words in the order of their scores; one that overflows the limit is skipped, later ones may fit.

    Args:
        scores: uint32 `(batch, width)`, random, at least 1; column w is the score of a row's word w.
        candidates: bool `(batch, width)`; words count without the tokens that are none.
        word_starts: bool `(batch, width)`.
        limit: int32 `(batch, 1)`, the most tokens to select.

    Returns:
        bool `(batch, width)`.
    """
    batch, width = batch_and_width(scores)
    starts = tf.cast(word_starts, tf.int32)
    words = tf.cumsum(starts, axis=1) - starts[:, :1]  # what precedes the first word start is a word, too
    words += (tf.range(batch) * width)[:, None]
    sizes = tf.math.unsorted_segment_sum(
        tf.reshape(tf.cast(candidates, tf.int32), [-1]), tf.reshape(words, [-1]), batch * width
    )
    sizes = tf.reshape(sizes, [batch, width])
    order = tf.math.top_k(tf.where(sizes > 0, scores, np.uint32(0)), width).indices
    sizes = tf.gather(sizes, order, batch_dims=1)

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
    return candidates & (tf.gather(by_word, words) > 0)
