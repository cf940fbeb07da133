import math
from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.fused_run import fused_run


def gelu(x: Any) -> Any:
    """Return the exact Gaussian error linear unit, 0.5 · x · (1 + erf(x / √2)), of every element.

    Written out because this form converts to TFLite and ONNX, and because BERT's weights were trained with it, not with
    the tanh approximation.

    Args:
        x: float tensor.

    Returns:
        Tensor of the same shape.

    Example:
        ```python
        gelu(keras.ops.array([-1.0, 0.0, 1.0]))  # [-0.1587, 0.0, 0.8413]
        ```

    References:
        - [Gaussian Error Linear Units](https://arxiv.org/abs/1606.08415)
    """
    return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))


def gelu_tanh(x: Any) -> Any:
    """Return the tanh approximation of `gelu` of every element, at most 5e-4 away from it.

    For weights that were trained with it, such as KerasHub's and the Model Garden's.

    Args:
        x: float tensor.

    Returns:
        Tensor of the same shape.
    """
    return keras.activations.gelu(x, approximate=True)


def activated(x: Any, activation: str, *, gated: bool = False) -> Any:
    """Return the activation of all columns; gated, that of the first half times the second.

    Args:
        x: float tensor `(…, width)`.
        activation: str, a name in `ACTIVATIONS`.
        gated: bool. Defaults to `False`.

    Returns:
        Tensor `(…, width)`, or `(…, width / 2)` where gated, of the type of `x`; computed in float32.
    """
    return fused_run(_activated, x, activation=activation, gated=gated)


def _activated(x: Any, *, activation: str, gated: bool) -> Any:
    wide = ops.cast(x, "float32")
    if not gated:
        return ops.cast(ACTIVATIONS[activation](wide), x.dtype)
    wide, gate = ops.split(wide, 2, axis=-1)
    return ops.cast(ACTIVATIONS[activation](wide) * gate, x.dtype)


ACTIVATIONS = {"gelu": gelu, "gelu_tanh": gelu_tanh}
