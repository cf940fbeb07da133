"""Random numbers as a pure function of a row's key: counter-based integer hashes on whole tensors.

Every draw is a hash of (seed, stream, epoch, example_index, counter), so batch size, threads, workers and restarts
cannot change it. The finaliser is MurmurHash3's (https://github.com/aappleby/smhasher); a stream is a number that keeps
the draws of one purpose apart from those of another.
"""

from typing import Any

import tensorflow as tf

SHARD_ORDER, ROW_ORDER, SENTENCE_PAIR, MASK_SELECTION, MASK_REPLACEMENT, MASK_RANDOM_TOKEN, ROW_CONTENT = range(7)

_GOLDEN = 0x9E3779B9


def _finalise(words: tf.Tensor) -> tf.Tensor:
    shift = tf.bitwise.right_shift
    words = tf.bitwise.bitwise_xor(words, shift(words, tf.constant(16, tf.uint32)))
    words = words * tf.constant(0x85EBCA6B, tf.uint32)
    words = tf.bitwise.bitwise_xor(words, shift(words, tf.constant(13, tf.uint32)))
    words = words * tf.constant(0xC2B2AE35, tf.uint32)
    return tf.bitwise.bitwise_xor(words, shift(words, tf.constant(16, tf.uint32)))


def _words(value: Any) -> list[tf.Tensor]:
    """Return the two 32-bit halves of whole numbers."""
    if isinstance(value, int):
        return [tf.constant(value >> shift & 0xFFFFFFFF, tf.uint32) for shift in (0, 32)]
    value = tf.cast(value, tf.int64)
    high = tf.bitwise.right_shift(value, tf.constant(32, tf.int64))
    return [tf.cast(tf.bitwise.bitwise_and(half, 0xFFFFFFFF), tf.uint32) for half in (value, high)]


def row_keys(seed: int, stream: int, epoch: Any, example_index: Any) -> tf.Tensor:
    """Return the key that all draws of a row in one stream start from.

    Args:
        seed: int, of the layer or dataset.
        stream: int, what the numbers are for; one of this module's constants.
        epoch: int or integer tensor that broadcasts against `example_index`.
        example_index: int or integer tensor, the row's ordinal in its split.

    Returns:
        uint32 tensor of the broadcast shape.
    """
    key = tf.constant(stream * _GOLDEN & 0xFFFFFFFF, tf.uint32)
    for part in (seed, epoch, example_index):
        for word in _words(part):
            key = _finalise((key + tf.constant(_GOLDEN, tf.uint32)) ^ word * tf.constant(0x2C1B3C6D, tf.uint32))
    return key


def random_bits(keys: tf.Tensor, counters: Any) -> tf.Tensor:
    """Return 32 random bits for every (key, counter).

    Args:
        keys: uint32 tensor from `row_keys`.
        counters: int or integer tensor that broadcasts against `keys`, such as token positions.

    Returns:
        uint32 tensor of the broadcast shape.

    Example:
        ```python
        keys = row_keys(seed=0, stream=MASK_SELECTION, epoch=0, example_index=tf.range(2))
        random_bits(keys[:, None], tf.range(128))  # (2, 128)
        ```
    """
    counters = tf.cast(counters, tf.uint32) + tf.constant(1, tf.uint32)
    return _finalise(keys + counters * tf.constant(_GOLDEN, tf.uint32))


def uniform(bits: tf.Tensor) -> tf.Tensor:
    """Return random bits as float32 in [0, 1), 24 bits of them."""
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


def below(bits: tf.Tensor, limit: Any) -> tf.Tensor:
    """Return random bits as int32 in [0, `limit`), each value equally likely to within `limit` / 2³²."""
    product = tf.cast(bits, tf.uint64) * tf.cast(limit, tf.uint64)
    return tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)), tf.int32)
