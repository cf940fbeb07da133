"""Vectors of rows of ids, in operations that every target has."""

from typing import Any

import tensorflow as tf


def row_vectors(backbone: Any, rows: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the last layer, its mean over each row's tokens, and that of `[CLS]`, both of length 1.

    Args:
        backbone: BertBackbone.
        rows: dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool `(batch, length)`.

    Returns:
        float32 `(batch, length, hidden)`, `(batch, hidden)` and `(batch, hidden)`; the mean leaves out the first and
        the last token of the row, `[CLS]` and `[SEP]`, and is zeros where there is no other.
    """
    hidden = backbone(rows, training=False)["sequence_output"]
    mask = tf.cast(rows["padding_mask"], tf.float32)
    place = tf.cast(tf.range(tf.shape(mask)[1]), tf.float32)[tf.newaxis, :]
    last = tf.reduce_sum(mask, axis=1, keepdims=True) - 1.0
    inner = mask * tf.cast(place > 0.5, tf.float32) * tf.cast(place < last - 0.5, tf.float32)
    summed = tf.reduce_sum(hidden * tf.expand_dims(inner, 2), axis=1)
    # The mean points where the sum does, so only its length is left to set.
    return hidden, _unit(summed), _unit(hidden[:, 0, :])


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    squares = tf.reduce_sum(vectors * vectors, axis=1, keepdims=True)
    # Not smaller: the constants of a float16 file end there.
    return vectors * tf.math.rsqrt(tf.maximum(squares, 1e-6))
