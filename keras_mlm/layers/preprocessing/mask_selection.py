"""Picks, in every row of a batch, the positions to predict from random scores."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.preprocessing_layer import batch_and_width

_HIGHEST = np.uint32(2**32 - 1)
MORE_WORDS = 16
NARROW = 256


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


def select_words(scores: tf.Tensor, candidates: tf.Tensor, words: Words, limit: tf.Tensor, slots: Any) -> tf.Tensor:
    """Select whole words in the order of their scores; one that overflows the limit is skipped, later ones may fit.

    Args:
        scores: uint32 `(batch, width)`, random, at least 1; column w is the score of a row's word w.
        candidates: bool `(batch, width)`, those that the words were found with.
        words: `Words`.
        limit: int32 `(batch, 1)`, the most tokens to select, at most `slots`.
        slots: int, at least 1.

    Returns:
        bool `(batch, width)`.
    """
    _, width = batch_and_width(scores)
    scores = tf.where(words.sizes > 0, scores, np.uint32(0))
    # A few words more than there are slots fill nearly every row; where one has room left, all words are looked at.
    known = isinstance(width, int) and isinstance(slots, int)
    few = (min if known else tf.minimum)(width, slots + MORE_WORDS)
    by_word, unfilled = _select_among(scores, words, limit, few)
    if not known or few < width:
        by_word = tf.cond(unfilled, lambda: _select_among(scores, words, limit, width)[0], lambda: by_word)
    return candidates & (tf.gather(by_word, words.numbers) > 0)


def _select_among(scores: tf.Tensor, words: Words, limit: tf.Tensor, columns: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Select among a row's words of the highest scores; return how often each word of the batch is, 0 or 1, flat.

    Also return whether a row with room left has words that were not looked at.
    """
    batch, width = batch_and_width(scores)
    order = tf.math.top_k(scores, columns).indices
    places = order + (tf.range(batch) * width)[:, None]
    sizes = tf.gather(tf.reshape(words.sizes, [-1]), places)

    def totals(kept: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        total = _running_sums(tf.where(kept, sizes, 0))
        return kept, total, kept & (total > limit)

    def room(total: tf.Tensor) -> tf.Tensor:
        return limit - tf.reduce_max(tf.where(total <= limit, total, 0), axis=1, keepdims=True)

    def skip(kept: tf.Tensor, total: tf.Tensor, over: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # What precedes the first overflow is selected for good. Words longer than the room it leaves can never fit,
        # as room only shrinks: all of them are skipped at once, and few passes reach what one by one would give.
        return totals(kept & ~(over & (sizes > room(total))))

    kept, total, _ = tf.while_loop(lambda kept, total, over: tf.reduce_any(over), skip, totals(sizes > 0))
    flags = tf.cast(kept, tf.int32)
    by_word = tf.math.unsorted_segment_sum(tf.reshape(flags, [-1]), tf.reshape(places, [-1]), batch * width)
    return by_word, tf.reduce_any((sizes[:, -1:] > 0) & (room(total) > 0))


def _running_sums(values: tf.Tensor) -> tf.Tensor:
    """Return the sums of each row's values so far: a product with a triangle of ones where it is narrow.

    It takes a third of the time of TensorFlow's scan, and float32 is exact about so few tokens.
    """
    _, width = batch_and_width(values)
    if not isinstance(width, int) or width > NARROW:
        return tf.cumsum(values, axis=1)
    triangle = np.triu(np.ones([width, width], np.float32))
    return tf.cast(tf.matmul(tf.cast(values, tf.float32), triangle), tf.int32)
