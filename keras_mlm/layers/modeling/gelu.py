import math
from typing import Any

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
