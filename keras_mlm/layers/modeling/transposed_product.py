from typing import Any

import keras
from keras import ops


def transposed_product(x: Any, y: Any) -> Any:
    """Return x · yᵀ over the last two axes.

    On TensorFlow it is one product, and so are its gradients: the gradient of a transpose that is written out is
    another one, for token embeddings of the whole table.

    Args:
        x: float tensor `(…, rows, width)`.
        y: tensor or variable `(…, columns, width)`.

    Returns:
        Tensor `(…, rows, columns)`.

    Example:
        ```python
        transposed_product(keras.random.normal((2, 8)), keras.random.normal((5, 8)))  # (2, 5)
        ```
    """
    y = ops.convert_to_tensor(y)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.matmul(x, y, transpose_b=True)
    return ops.matmul(x, ops.swapaxes(y, -1, -2))
