"""The base of the preprocessing layers: TensorFlow on the CPU, on rows or batches, dense or ragged."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class PreprocessingLayer(keras.layers.Layer):
    """A Keras layer without weights that takes lists, arrays and ragged tensors, inside `tf.data` and outside.

    Args:
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Ragged tensors and whole numbers must arrive as they are; integer hashes belong on the CPU.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer on the CPU, on anything that holds whole numbers."""
        with tf.device("cpu:0"):
            # Keras refuses a structure that mixes tensors and plain Python, such as ids with `"epoch": 3`.
            args, kwargs = _tensors(args), _tensors(kwargs)
            return super().__call__(*args, **kwargs)


def as_tensor(rows: Any) -> Any:
    """Return a number, a row or a batch of rows as a tensor; ragged if it was ragged or a nested list."""
    if isinstance(rows, list):
        if any(isinstance(row, list) for row in rows):
            return tf.ragged.constant(rows)
        return tf.convert_to_tensor(np.array(rows, np.float64 if _has_floats(rows) else np.int64))
    if isinstance(rows, float):
        return tf.constant(rows, tf.float64)
    return rows if isinstance(rows, tf.RaggedTensor) else tf.convert_to_tensor(rows)


def _has_floats(rows: list[Any]) -> bool:
    return any(isinstance(number, (float, np.floating)) for number in rows)


def batch_and_width(rows: tf.Tensor) -> tuple[Any, Any]:
    """Return the two dimensions of a dense batch, each as int where it is known and as tensor where not."""
    shape = tf.shape(rows)
    return tuple(shape[axis] if known is None else known for axis, known in enumerate(rows.shape))


def _tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tensors(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_tensors(part) for part in value)
    return value if value is None or isinstance(value, (bool, str)) else as_tensor(value)


def as_dense(rows: Any, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor, bool]:
    """Return rows as a dense batch.

    Args:
        rows: list, array, tensor or ragged tensor, `(tokens,)` or `(batch, tokens)`.
        dtype: of the result.

    Returns:
        The batch `(batch, width)`, filled up with zeros; which of it was there, bool of the same shape; and whether
        `rows` was a single row.
    """
    rows = as_tensor(rows)
    if isinstance(rows, tf.RaggedTensor):
        dense = rows.to_tensor()
        return tf.cast(dense, dtype), tf.sequence_mask(rows.row_lengths(), tf.shape(dense)[1]), False
    rows = tf.cast(rows, dtype)
    single = rows.shape.rank == 1
    dense = rows[None] if single else rows
    return dense, tf.ones_like(dense, tf.bool), single


def as_ragged(rows: Any, dtype: tf.DType) -> tuple[tf.RaggedTensor, bool]:
    """Return rows as a ragged batch `(batch, tokens)`, and whether `rows` was a single row; see `as_dense`."""
    rows = as_tensor(rows)
    if isinstance(rows, tf.RaggedTensor):
        return tf.cast(rows, dtype), False
    rows = tf.cast(rows, dtype)
    single = rows.shape.rank == 1
    return tf.RaggedTensor.from_tensor(rows[None] if single else rows), single
