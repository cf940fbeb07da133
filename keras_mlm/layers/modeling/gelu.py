import math
from typing import Any

import keras
from keras import ops


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


ACTIVATIONS = {"gelu": gelu, "gelu_tanh": gelu_tanh}
