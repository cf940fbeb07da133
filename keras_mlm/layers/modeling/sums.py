"""Sums of matrices and along their sides, in what XLA compiles for a CPU written as products with ones.

There a product takes a third to a quarter of the time that the same sum takes, and adds up in float32 as well.
"""

from typing import Any

from keras import ops

from keras_mlm.layers.modeling.fused_run import in_one_piece


def row_means(x: Any) -> Any:
    """Return the mean along the last axis.

    Args:
        x: float32 tensor `(…, width)`.

    Returns:
        Tensor `(…, 1)`.

    Example:
        ```python
        row_means(keras.ops.ones((2, 3)))  # [[1.0], [1.0]]
        ```
    """
    if not in_one_piece():
        return ops.mean(x, axis=-1, keepdims=True)
    return row_sums(x) / ops.cast(ops.shape(x)[-1], x.dtype)


def row_sums(x: Any) -> Any:
    """Return the sum along the last axis.

    Args:
        x: float32 tensor `(…, width)`.

    Returns:
        Tensor `(…, 1)`.
    """
    if not in_one_piece():
        return ops.sum(x, axis=-1, keepdims=True)
    *rows, width = ops.shape(x)  # the width of scores is a length, which need not be known
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, width)), ops.ones((width, 1), x.dtype)), (*rows, 1))


def column_sums(x: Any) -> Any:
    """Return the sum along all axes but the last.

    Args:
        x: float32 tensor `(…, width)`.

    Returns:
        Tensor `(width,)`.
    """
    rows = ops.reshape(x, (-1, ops.shape(x)[-1]))
    if not in_one_piece():
        return ops.sum(rows, axis=0)
    return ops.reshape(ops.matmul(ops.ones((1, ops.shape(rows)[0]), x.dtype), rows), (-1,))


def whole_sum(x: Any) -> Any:
    """Return the sum of all elements.

    Args:
        x: float32 tensor `(…, width)`.

    Returns:
        Scalar.
    """
    return ops.sum(row_sums(x) if in_one_piece() else x)
