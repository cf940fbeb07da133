from typing import Any

import keras
from keras import ops

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

    `keras.layers.Dropout` drops the same units on every replica of a `tf.distribute` strategy.

    Args:
        rate: float in [0, 1), the share dropped; the rest is scaled by `1 / (1 - rate)`. Defaults to `0.1`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Returns:
        Tensor of the input's shape.

    Example:
        ```python
        Dropout(0.5)(keras.ops.ones((2, 4)), training=True)
        ```
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
        return keras.random.dropout(inputs, self.rate, seed=self.seed_generator)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {**super().get_config(), "rate": self.rate}
