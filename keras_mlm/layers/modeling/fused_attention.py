from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.rotary_positions import rotary_angles, rotate


def has_fused_attention() -> bool:
    """Return whether the backend has an attention in one piece: cuDNN's under JAX, PyTorch's under torch."""
    return keras.backend.backend() in ("jax", "torch")


def fused_attention(
    hidden_states: Any,
    query_key_value: keras.layers.Dense,
    num_heads: int,
    *,
    rotary: bool = False,
    padding_mask: Any = None,
    attention_mask: Any = None,
) -> Any:
    """Return softmax(Q · Kᵀ / √d) · V of all heads, whose scores are never in memory where the hardware allows it.

    The backend chooses: on a GPU in half precision its fused kernels, otherwise the same in several operations. There
    is no dropout of scores in it, and the scores cannot be had.

    Args:
        hidden_states: float tensor `(batch, length, hidden_dim)`.
        query_key_value: built `keras.layers.Dense`, which makes queries, keys and values, side by side.
        num_heads: int, number of heads.
        rotary: bool, whether queries and keys are turned by their position. Defaults to `False`.
        padding_mask: bool tensor `(batch, length)`, `False` where nobody looks. Defaults to `None`.
        attention_mask: bool tensor `(batch, length, length)` in its place. Defaults to `None`.

    Returns:
        Tensor `(batch, length, hidden_dim)`.

    Example:
        ```python
        dense = keras.layers.Dense(3 * 16)
        dense.build((None, None, 16))
        fused_attention(keras.random.normal((3, 5, 16)), dense, 2)
        ```

    References:
        - [FlashAttention-2](https://arxiv.org/abs/2307.08691)
    """
    length, hidden_dim = hidden_states.shape[1], hidden_states.shape[2]
    # The kernels of GPUs want each of the three in a piece of memory of its own. Three products write them there;
    # cutting them out of one product would copy them, and their gradients once more.
    kernels = ops.split(query_key_value.kernel, 3, axis=1)
    products = [ops.matmul(hidden_states, kernel) for kernel in kernels]
    if query_key_value.use_bias:
        biases = ops.split(query_key_value.bias, 3)
        products = [product + bias for product, bias in zip(products, biases, strict=True)]
    head_dim = hidden_dim // num_heads
    query, key, value = (ops.reshape(product, (-1, length, num_heads, head_dim)) for product in products)
    if rotary:
        angles = [ops.expand_dims(angle, 1) for angle in rotary_angles(ops.arange(length), head_dim)]
        query, key = rotate(query, *angles), rotate(key, *angles)
    mask = None
    if attention_mask is not None:
        mask = ops.expand_dims(attention_mask, 1)
    elif padding_mask is not None:
        # The kernels want a row of it for every query, written out.
        mask = ops.reshape(ops.cast(padding_mask, "bool"), (-1, 1, 1, length))
        mask = ops.logical_and(mask, ops.ones((1, 1, length, 1), "bool"))
    attended = ops.dot_product_attention(query, key, value, mask=mask)
    return ops.reshape(attended, (-1, length, hidden_dim))
