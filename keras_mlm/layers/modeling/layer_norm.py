from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.fused_run import fused_run
from keras_mlm.layers.modeling.sums import column_sums, row_means


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
    return fused_run(_normalised, x, norm.gamma, norm.beta, epsilon=norm.epsilon, gradient=_gradients)


def sum_and_normalised(x: Any, more: Any, norm: keras.layers.LayerNormalization) -> tuple[Any, Any]:
    """Return a residual sum, and what a layer normalisation makes of it.

    Args:
        x: float tensor `(…, width)`.
        more: tensor of the same shape.
        norm: built `keras.layers.LayerNormalization` over the last axis.

    Returns:
        Two tensors of the shape and type of `x`.
    """
    constants = {"epsilon": norm.epsilon, "gradient": _gradients_of_sum}
    return fused_run(_sum_and_normalised, x, more, norm.gamma, norm.beta, **constants)


def _normalised(x: Any, gamma: Any, beta: Any, *, epsilon: float) -> Any:
    normal, _ = _standardised(x, epsilon)
    normal = normal * ops.cast(gamma, "float32")
    return ops.cast(normal if beta is None else normal + ops.cast(beta, "float32"), x.dtype)


def _standardised(x: Any, epsilon: float) -> tuple[Any, Any]:
    """Return rows of mean 0 and variance 1, and the variance they had, with epsilon."""
    wide = ops.cast(x, "float32")  # sums over a row need it in mixed precision
    centred = wide - row_means(wide)
    variance = row_means(ops.square(centred)) + epsilon
    return centred * ops.rsqrt(variance), variance


def _gradients(tensors: Any, outputs: Any, gradient: Any, *, epsilon: float) -> list[Any]:
    """Return the gradients of `_normalised` in x, gamma and beta."""
    x, gamma, beta = tensors
    normal, variance = _standardised(x, epsilon)
    gradient = ops.cast(gradient, "float32")
    inner = gradient * ops.cast(gamma, "float32")
    # The parts of it along a row of ones and along the row itself change nothing that is normalised.
    # Divided, and not multiplied by a reciprocal: XLA for CPUs keeps the result of a division for all who read it, and
    # computes products once more for each of them, with dropout through all the blocks above.
    of_x = (inner - row_means(inner) - normal * row_means(inner * normal)) / ops.sqrt(variance)
    of_gamma = ops.cast(column_sums(gradient * normal), gamma.dtype)
    of_beta = None if beta is None else ops.cast(column_sums(gradient), beta.dtype)
    return [ops.cast(of_x, x.dtype), of_gamma, of_beta]


def _sum_and_normalised(x: Any, more: Any, gamma: Any, beta: Any, *, epsilon: float) -> tuple[Any, Any]:
    total = ops.cast(x, "float32") + ops.cast(more, "float32")
    return ops.cast(total, x.dtype), ops.cast(_normalised(total, gamma, beta, epsilon=epsilon), x.dtype)


def _gradients_of_sum(tensors: Any, outputs: Any, gradients: Any, *, epsilon: float) -> list[Any]:
    """Return the gradients of `_sum_and_normalised` in both summands, gamma and beta."""
    x, more, gamma, beta = tensors
    total = ops.cast(x, "float32") + ops.cast(more, "float32")
    of_norm, of_gamma, of_beta = _gradients([total, gamma, beta], None, gradients[1], epsilon=epsilon)
    of_total = ops.cast(gradients[0], "float32") + of_norm
    return [ops.cast(of_total, x.dtype), ops.cast(of_total, more.dtype), of_gamma, of_beta]
