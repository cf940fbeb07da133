from typing import Any

from keras import ops


def states_at(states: Any, positions: Any) -> Any:
    """Return the vectors of some positions of each row.

    It is one gather of rows from the flattened states: cheaper, and its gradient too, than a batched one.

    Args:
        states: tensor `(batch, length, width)`.
        positions: int tensor `(batch, count)`, each below `length`.

    Returns:
        Tensor `(batch, count, width)`.

    Example:
        ```python
        states_at(keras.random.normal((2, 5, 16)), keras.ops.array([[1, 3], [0, 4]]))  # (2, 2, 16)
        ```
    """
    batch, length, width = ops.shape(states)[0], ops.shape(states)[1], ops.shape(states)[2]
    row_starts = ops.reshape(ops.arange(batch, dtype="int32") * length, (-1, 1))
    flat_positions = ops.reshape(ops.cast(positions, "int32") + row_starts, (-1,))
    found = ops.take(ops.reshape(states, (-1, width)), flat_positions, axis=0)
    return ops.reshape(found, (-1, ops.shape(positions)[1], width))
