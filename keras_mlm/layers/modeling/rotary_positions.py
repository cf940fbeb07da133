from typing import Any

from keras import ops


def rotary_angles(positions: Any, head_dim: int, base: float = 10_000.0) -> tuple[Any, Any]:
    """Return the cosines and sines by which positions turn a query or key.

    Pair `i` of position `p` turns by `p · base^(−2i / head_dim)`.

    Args:
        positions: int tensor of any shape.
        head_dim: int, width of a head; even.
        base: float, the slowest pair turns once in about `2π · base` positions. Defaults to `10_000.0`.

    Returns:
        Two float32 tensors `(*shape of positions, head_dim / 2)`.

    References:
        - [RoFormer](https://arxiv.org/abs/2104.09864)
    """
    frequencies = base ** (-ops.arange(0, head_dim, 2, dtype="float32") / head_dim)
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * frequencies
    return ops.cos(angles), ops.sin(angles)


def rotate(x: Any, cosines: Any, sines: Any) -> Any:
    """Turn each pair (element `i` of the first half, element `i` of the second half) by its position's angle.

    Args:
        x: float tensor `(…, length, head_dim)`.
        cosines: tensor `(length, head_dim / 2)` of `rotary_angles`.
        sines: likewise.

    Returns:
        Tensor of the shape of `x`. The dot product of a query and a key turned this way depends on their contents and
        the distance between them only.

    Example:
        ```python
        cosines, sines = rotary_angles(keras.ops.arange(16), head_dim=8)
        queries = rotate(keras.random.normal((2, 4, 16, 8)), cosines, sines)
        ```
    """
    cosines, sines = ops.cast(cosines, x.dtype), ops.cast(sines, x.dtype)
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
