"""Random sampling with weights, without replacement: https://doi.org/10.1016/j.ipl.2005.11.003, on integers."""

import numpy as np
import tensorflow as tf

# Waiting times: the exponential distribution at the middle of each 65,536th. From a table, as a logarithm's last bit
# depends on a number's place in a batch, and a row's draws must not.
_WAITS = -np.log((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)
_SHORTEST, _LONGEST = np.float32(2.0**-40), np.float32(2.0**24)
_BASE, _SPREAD = (int(np.float32(value).view(np.int32)) for value in (_SHORTEST, _LONGEST))


def weighted_bits(bits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return random numbers whose order is that of drawing one after the other, each with its weight's chance.

    Args:
        bits: uint32, random.
        weights: float32 of the same shape, told apart from a millionth to a million; what has none comes last.

    Returns:
        uint32 of the same shape, 19 bits of resolution: the highest is drawn first.
    """
    waits = tf.gather(_WAITS, tf.cast(tf.bitwise.right_shift(bits, np.uint32(16)), tf.int32))
    # A waiting time over a weight is that of an event so many times as frequent. Division is exact everywhere.
    waits = tf.where(weights > 0, tf.clip_by_value(waits / weights, _SHORTEST, _LONGEST), _LONGEST)
    # Positive floats are ordered as their bits are, of which there are 2²⁹ between the bounds.
    place = tf.maximum(tf.bitcast(waits, tf.int32) - _BASE, 1)
    return tf.bitwise.left_shift(tf.cast(_SPREAD - _BASE - place, tf.uint32), np.uint32(3))
