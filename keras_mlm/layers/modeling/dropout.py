from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.fused_run import fused_run
from keras_mlm.layers.modeling.replicas import replica_index


class _ReplicaSeedGenerator(keras.random.SeedGenerator):
    """A seed generator whose replicas draw different numbers from the same state."""

    def next(self, ordered: bool = True) -> Any:
        seed = super().next(ordered)
        index = replica_index()
        if isinstance(index, int):  # one replica: no operation at all
            return seed
        # An odd multiplier far from the small differences between the seeds of different layers.
        shift = ops.cast(index, seed.dtype) * ops.cast(0x9E3779B1 % 2**31, seed.dtype)
        return seed + ops.stack([shift, ops.zeros_like(shift)])


@keras.saving.register_keras_serializable(package="keras_mlm")
class Dropout(keras.layers.Layer):
    """Sets a random share of its input to zero while training, a different one on each replica.

    `keras.layers.Dropout` drops the same units on every replica of a `tf.distribute` strategy, and draws each number
    with dozens of operations. Here a number is a hash of the seed and of the element's place: a few operations, which a
    compiled step joins to its neighbours and computes again on the way back instead of keeping a mask.

    Args:
        rate: float in [0, 1), the share dropped; the rest is scaled by `1 / (1 - rate)`. Defaults to `0.1`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Returns:
        Tensor of the input's shape.

    Example:
        ```python
        Dropout(0.5)(keras.ops.ones((2, 4)), training=True)
        ```

    References:
        - [Dropout](https://jmlr.org/papers/v15/srivastava14a.html)
        - [MurmurHash3](https://github.com/aappleby/smhasher), whose last step is this hash
    """

    def __init__(self, rate: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def build(self, input_shape: Any) -> None:
        """Create the state of the random numbers."""
        # It is in `variables`, so that a checkpoint continues the same sequence of masks. Its start follows
        # `keras.utils.set_random_seed`. Made here and not above, so that its path says to which layer it belongs.
        self.seed_generator = _ReplicaSeedGenerator(name="seed_generator")
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Drop while training, else return the input."""
        if not training or not self.rate:
            return inputs
        return fused_run(_dropped, inputs, self.seed_generator.next(), rate=self.rate)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {**super().get_config(), "rate": self.rate}


def _dropped(x: Any, seed: Any, *, rate: float) -> Any:
    """Return `x / (1 - rate)`, 0 where the hash of seed and place is among the lowest of its kind."""
    first, second = ops.unstack(ops.cast(seed, "int32"), 2)
    # Seeds differ by little, the second of one layer by 1 from step to step: their bits are spread first.
    first = _hashed(first * _int32(0x9E3779B1) + second)
    second = _hashed(second ^ first)
    numbers = ops.reshape(ops.arange(ops.size(x), dtype="int32"), ops.shape(x))
    numbers = _hashed(numbers * _int32(0x9E3779B1) + first, second)
    kept = numbers >= _int32(round(rate * 2**32) + 2**31)  # numbers are from -2³¹ up
    return ops.where(kept, x * ops.cast(1.0 / (1.0 - rate), x.dtype), ops.zeros_like(x))


def _hashed(numbers: Any, key: Any = 0) -> Any:
    """Return int32 numbers of which each bit depends on all bits of those given; sums and products wrap around."""
    numbers = _mixed(numbers, 16) * _int32(0x85EBCA6B)
    numbers = _mixed(numbers ^ key, 13) * _int32(0xC2B2AE35)
    return _mixed(numbers, 16)


def _mixed(numbers: Any, bits: int) -> Any:
    """Return numbers with their upper bits mixed into the lower ones."""
    return numbers ^ ops.bitwise_and(ops.right_shift(numbers, bits), 2 ** (32 - bits) - 1)


def _int32(value: int) -> int:
    """Return the int32 that has these 32 bits."""
    return (value + 2**31) % 2**32 - 2**31
