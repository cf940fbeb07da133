from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.fused_run import fused_run


def normalised(x: Any, norm: keras.layers.LayerNormalization) -> Any:
    """Return what a layer normalisation makes of hidden states.

    Args:
        x: float tensor `(…, width)`.
        norm: built `keras.layers.LayerNormalization` over the last axis.

    Returns:
        Tensor of the shape and type of `x`.

    Example:
        ```python
        norm = keras.layers.LayerNormalization()
        norm.build((None, 16))
        normalised(keras.random.normal((3, 16)), norm)
        ```

    References:
        - [Layer normalization](https://arxiv.org/abs/1607.06450)
    """
    return fused_run(_normalised, x, norm.gamma, norm.beta, epsilon=norm.epsilon)


def sum_and_normalised(x: Any, more: Any, norm: keras.layers.LayerNormalization) -> tuple[Any, Any]:
    """Return a residual sum, and what a layer normalisation makes of it.

    Args:
        x: float tensor `(…, width)`.
        more: tensor of the same shape.
        norm: built `keras.layers.LayerNormalization` over the last axis.

    Returns:
        Two tensors of the shape and type of `x`.
    """
    return fused_run(_sum_and_normalised, x, more, norm.gamma, norm.beta, epsilon=norm.epsilon)


def _normalised(x: Any, gamma: Any, beta: Any, *, epsilon: float) -> Any:
    # Sums over a row need float32 in mixed precision.
    wide = ops.cast(x, "float32")
    centred = wide - ops.mean(wide, axis=-1, keepdims=True)
    scale = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)
    normal = centred * scale * ops.cast(gamma, "float32")
    return ops.cast(normal if beta is None else normal + ops.cast(beta, "float32"), x.dtype)


def _sum_and_normalised(x: Any, more: Any, gamma: Any, beta: Any, *, epsilon: float) -> tuple[Any, Any]:
    total = ops.cast(x, "float32") + ops.cast(more, "float32")
    return ops.cast(total, x.dtype), ops.cast(_normalised(total, gamma, beta, epsilon=epsilon), x.dtype)
