"""Picks, in every row of a batch, the positions to predict from random scores."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.preprocessing_layer import batch_and_width


def select_tokens(scores: tf.Tensor, candidates: tf.Tensor, limit: tf.Tensor, slots: Any) -> tf.Tensor:
    """Select the candidates with the highest scores.

    Args:
        scores: uint32 `(batch, width)`, random, at least 1.
        candidates: bool `(batch, width)`.
        limit: int32 `(batch,)`, how many to select; fewer where there are fewer candidates.
        slots: int, the width of the result.

    Returns:
        int32 `(batch, slots)`, positions in ascending order, then `width` where a slot is unused.
    """
    _, width = batch_and_width(scores)
    static = isinstance(width, int) and isinstance(slots, int)
    wanted = min(slots, width) if static else tf.minimum(slots, width)
    best = tf.math.top_k(tf.where(candidates, scores, np.uint32(0)), wanted)
    used = (best.values > 0) & (tf.range(wanted) < limit[:, None])
    positions = tf.sort(tf.where(used, best.indices, width), axis=1)
    if static and width >= slots:
        return positions
    positions = tf.pad(positions, [[0, 0], [0, slots - wanted]], constant_values=width)
    return tf.ensure_shape(positions, [None, slots if isinstance(slots, int) else None])


def select_words(
    scores: tf.Tensor, candidates: tf.Tensor, word_starts: tf.Tensor, limit: tf.Tensor, slots: Any
) -> tf.Tensor:
    """Select whole words in the order of their scores; one that overflows the limit is skipped, later ones may fit.

    Args:
        scores: uint32 `(batch, width)`, random, at least 1; column w is the score of a row's word w.
        candidates: bool `(batch, width)`; words count without the tokens that are none.
        word_starts: bool `(batch, width)`.
        limit: int32 `(batch,)`, the most tokens to select.
        slots: int, the width of the result.

    Returns:
        int32 `(batch, slots)`, positions in ascending order, then `width` where a slot is unused.
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
        return kept & (tf.cumsum(tf.where(kept, sizes, 0), axis=1) > limit[:, None])

    def skip(kept: tf.Tensor, over: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # What precedes the first overflow is selected for good. Words longer than the room it leaves can never fit,
        # as room only shrinks: all of them are skipped at once, and few passes reach what one by one would give.
        total = tf.cumsum(tf.where(kept, sizes, 0), axis=1)
        room = limit - tf.reduce_max(tf.where(total <= limit[:, None], total, 0), axis=1)
        kept &= ~(over & (sizes > room[:, None]))
        return kept, overflowing(kept)

    kept = sizes > 0
    kept, _ = tf.while_loop(lambda kept, over: tf.reduce_any(over), skip, (kept, overflowing(kept)))
    by_word = tf.scatter_nd(
        tf.reshape(order + (tf.range(batch) * width)[:, None], [-1, 1]),
        tf.reshape(tf.cast(kept, tf.int32), [-1]),
        [batch * width],
    )
    selected = candidates & (tf.gather(by_word, words) > 0)
    # Scores that fall with the position make the selection of tokens return all selected ones, which are few enough.
    falling = tf.broadcast_to(tf.cast(width - tf.range(width), tf.uint32), [batch, width])
    return select_tokens(falling, selected, limit, slots)
