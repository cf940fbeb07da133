"""Random numbers as a pure function of a row's key: counter-based integer hashes on whole tensors.

Every draw is a hash of (stream, seed, epoch, example_index, counter), so batch size, threads, workers and restarts
cannot change it. The finaliser is MurmurHash3's (https://github.com/aappleby/smhasher); a stream is a number that keeps
the draws of one purpose apart from those of another.
"""

from typing import Any

import numpy as np
import tensorflow as tf

SHARD_ORDER, ROW_ORDER, SENTENCE_PAIR, MASKS, ROW_CONTENT, BATCH_ORDER = range(6)

# Odd numbers with evenly mixed bits: one to step from counter to counter, one to fold 64 bits into 32.
_STEP, _FOLD = 0x9E3779B9, 0x85157AF5
SPREAD = np.uint32(_STEP)


def _finalise(words: Any) -> Any:
    shift = tf.bitwise.right_shift if tf.is_tensor(words) else np.right_shift
    words = words ^ shift(words, np.uint32(16))
    words = words * np.uint32(0x85EBCA6B)
    words = words ^ shift(words, np.uint32(13))
    words = words * np.uint32(0xC2B2AE35)
    return words ^ shift(words, np.uint32(16))


def _fold(value: Any) -> Any:
    """Return 64-bit whole numbers as 32 bits; numbers below 2³² stay apart."""
    if not tf.is_tensor(value):
        value = np.asarray(value, np.int64)
        # Arrays of one number or more, as NumPy warns of scalars that wrap around.
        return np.atleast_1d(value).astype(np.uint32) + np.atleast_1d(value >> 32).astype(np.uint32) * np.uint32(_FOLD)
    if value.dtype.size <= 4:
        return tf.cast(value, tf.uint32)
    high = tf.cast(tf.bitwise.right_shift(value, np.array(32, value.dtype.as_numpy_dtype)), tf.uint32)
    return tf.cast(value, tf.uint32) + high * np.uint32(_FOLD)


def row_keys(stream: int, seed: int, epoch: Any, example_index: Any) -> tf.Tensor:
    """Return the keys that all draws of rows for one purpose start from.

    Args:
        stream: int, the purpose, one of this module's.
        seed: int, of the layer or dataset.
        epoch: int or integer tensor that broadcasts against `example_index`.
        example_index: int or integer tensor, the row's ordinal in its split.

    Returns:
        uint32 tensor of the broadcast shape; `(1,)` of numbers only.
    """
    keys: Any = np.zeros(1, np.uint32)
    for number in (stream, seed, epoch, example_index):
        keys = random_bits(keys, number)
    return tf.convert_to_tensor(keys)


def random_bits(keys: Any, counters: Any) -> Any:
    """Return 32 random bits for every (key, counter).

    Args:
        keys: uint32 tensor from `row_keys`.
        counters: int, integer array or tensor that broadcasts against `keys`, such as token positions.

    Returns:
        uint32 tensor of the broadcast shape; an array where both arguments are, which keeps constants out of graphs.

    Example:
        ```python
        keys = row_keys(MASKS, seed=0, epoch=0, example_index=tf.range(2))
        random_bits(keys[:, None], tf.range(128))  # (2, 128)
        ```
    """
    # Without one step more, counter 0 of key 0 would give 0. Plain numbers are added up before the graph is built.
    step = np.uint32(_STEP)
    if tf.is_tensor(counters):
        return _finalise(_fold(counters) * step + (keys + step))
    return _finalise(keys + (_fold(counters) + np.uint32(1)) * step)


def uniform(bits: tf.Tensor) -> tf.Tensor:
    """Return random bits as float32 in [0, 1), 24 bits of them."""
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


def below(bits: tf.Tensor, limit: Any) -> tf.Tensor:
    """Return random bits as int32 in [0, `limit`), each value equally likely to within `limit` / 2³²."""
    product = tf.cast(bits, tf.uint64) * tf.cast(limit, tf.uint64)
    return tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)), tf.int32)
