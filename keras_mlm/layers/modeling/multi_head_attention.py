import math
from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.layers.modeling.fused_attention import fused_attention, has_fused_attention
from keras_mlm.layers.modeling.fused_run import fused_run
from keras_mlm.layers.modeling.rotary_positions import rotary_angles, rotate
from keras_mlm.layers.modeling.states_at import states_at
from keras_mlm.layers.modeling.sums import row_sums
from keras_mlm.layers.modeling.transposed_product import transposed_product

# Added to the score of a padded key. exp(-1e9) is exactly 0 in float32, and a row that is all padding stays finite.
MASKED_SCORE = -1e9


@keras.saving.register_keras_serializable(package="keras_mlm")
class MultiHeadAttention(keras.layers.Layer):
    """Lets every position of a row look at every other: softmax(Q · Kᵀ / √d) · V in each head, then one projection.

    Args:
        num_heads: int, number of heads.
        hidden_dim: int, width of input and output; a head is `d = hidden_dim / num_heads` wide.
        rotary: bool, whether queries and keys are turned by their position. Defaults to `False`.
        dropout: float in [0, 1), share of the attention scores dropped in training. Defaults to `0.0`.
        initializer_range: float, standard deviation of the truncated normal of the kernels. Defaults to `0.02`.
        biases: bool, whether the products add biases. Defaults to `True`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Call arguments:
        hidden_states: float tensor `(batch, length, hidden_dim)`.
        padding_mask: bool tensor `(batch, length)`, `False` where nobody looks. Defaults to `None`, look everywhere.
        attention_mask: bool tensor `(batch, length, length)`, in place of `padding_mask`: where each position, the
            second axis, looks. Defaults to `None`.
        query_positions: int tensor `(batch, count)`, the positions that look. Defaults to `None`, all of them.
        return_attention_scores: bool. Defaults to `False`.

    Returns:
        Tensor `(batch, length or count, hidden_dim)`; with `return_attention_scores` also the softmax, a float32 tensor
        `(batch, num_heads, length or count, length)` whose last axis sums to 1.

    Example:
        ```python
        layer = MultiHeadAttention(num_heads=2, hidden_dim=16)
        output = layer(keras.random.normal((3, 5, 16)), padding_mask=keras.ops.ones((3, 5), "bool"))
        ```

    References:
        - [Attention Is All You Need](https://arxiv.org/abs/1706.03762)
    """

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        *,
        rotary: bool = False,
        dropout: float = 0.0,
        initializer_range: float = 0.02,
        biases: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.head_dim = hidden_dim // num_heads
        self.rotary = rotary
        self.initializer_range = initializer_range
        self.biases = biases
        # Queries, keys and values side by side: one product instead of three.
        self.query_key_value = self._dense(3 * hidden_dim, "query_key_value")
        self.output_dense = self._dense(hidden_dim, "output_dense")
        self.dropout = Dropout(dropout, name="dropout") if dropout else None

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        # An initializer of its own for each kernel: one object would start them all with the same numbers.
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        return keras.layers.Dense(units, kernel_initializer=initializer, use_bias=self.biases, name=name)

    def build(self, hidden_states_shape: Any) -> None:
        """Create the weights."""
        self.query_key_value.build((None, None, self.hidden_dim))
        self.output_dense.build((None, None, self.hidden_dim))
        if self.dropout is not None:
            self.dropout.build((None, self.num_heads, None, None))
        self.built = True

    def call(
        self,
        hidden_states: Any,
        padding_mask: Any = None,
        attention_mask: Any = None,
        query_positions: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        """Return the attended states, and the scores if asked for."""
        length = ops.shape(hidden_states)[1]
        dropped = training and self.dropout is not None
        # The kernels of GPUs are for many queries; of few, the scores are small.
        if has_fused_attention() and query_positions is None and not return_attention_scores and not dropped:
            masks = {"padding_mask": padding_mask, "attention_mask": attention_mask}
            attended = fused_attention(hidden_states, self.query_key_value, self.num_heads, rotary=self.rotary, **masks)
            return self.output_dense(attended)
        if query_positions is None:
            product = _rows(self.query_key_value(_flat(hidden_states)), length)
            query, key, value = self._as_heads(product, "qkv")
        else:
            query, key, value = self._query_key_value_at(hidden_states, query_positions)
        scores = transposed_product(query, key)
        mask = padding_mask if attention_mask is None else attention_mask
        if attention_mask is not None and query_positions is not None:
            mask = states_at(attention_mask, query_positions)
        # The scores that are returned are float32; those that weigh need no more digits than the values.
        kept = "float32" if return_attention_scores else self.compute_dtype
        scores = fused_run(_softmax, scores, mask, dtype=kept, gradient=_softmax_gradients)
        weights = ops.cast(scores, self.compute_dtype)
        if self.dropout is not None:
            weights = self.dropout(weights, training=training)
        attended = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        output = self.output_dense(ops.reshape(attended, (-1, self.hidden_dim)))
        output = ops.reshape(output, (-1, ops.shape(attended)[1], self.hidden_dim))
        return (output, scores) if return_attention_scores else output

    def _as_heads(self, product: Any, parts: str, positions: Any = None) -> tuple[Any, ...]:
        """Return the parts that stand side by side in a product, each `(batch, heads, length, head_dim)`."""
        return fused_run(_heads, product, positions, parts=parts, head_dim=self.head_dim, rotary=self.rotary)

    def _query_key_value_at(self, hidden_states: Any, query_positions: Any) -> tuple[Any, Any, Any]:
        """Return the queries of some positions, and the keys and values of all."""
        query_kernel, key_value_kernel = ops.split(self.query_key_value.kernel, [self.hidden_dim], axis=1)
        query = ops.matmul(_flat(states_at(hidden_states, query_positions)), query_kernel)
        key_value = ops.matmul(_flat(hidden_states), key_value_kernel)
        if self.biases:
            query_bias, key_value_bias = ops.split(self.query_key_value.bias, [self.hidden_dim])
            query, key_value = query + query_bias, key_value + key_value_bias
        (query,) = self._as_heads(_rows(query, ops.shape(query_positions)[1]), "q", query_positions)
        key, value = self._as_heads(_rows(key_value, ops.shape(hidden_states)[1]), "kv")
        return query, key, value

    def compute_output_shape(self, hidden_states_shape: Any, query_positions_shape: Any = None) -> Any:
        """Return the shape of the hidden states that are returned."""
        return (*(query_positions_shape or hidden_states_shape[:2]), self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "rotary": self.rotary,
            "dropout": self.dropout.rate if self.dropout else 0.0,
            "initializer_range": self.initializer_range,
            "biases": self.biases,
        }


def _flat(states: Any) -> Any:
    """Return `(batch, length, width)` as rows of tokens: a bias joins a product only where both are of rank 2."""
    return ops.reshape(states, (-1, states.shape[-1]))


def _rows(flat: Any, length: Any) -> Any:
    """Return rows of tokens as `(batch, length, width)`."""
    return ops.reshape(flat, (-1, length, flat.shape[-1]))


def _heads(product: Any, positions: Any, *, parts: str, head_dim: int, rotary: bool) -> tuple[Any, ...]:
    """Return queries (q, scaled), keys (k) and values (v) that stand side by side, by head; turned, if `rotary`."""
    length, dtype = ops.shape(product)[1], product.dtype
    heads = ops.reshape(product, (-1, length, product.shape[-1] // head_dim, head_dim))
    # `split` because its gradient is one concatenation, that of slices is a sum of zero-padded tensors.
    found = dict(zip(parts, ops.split(heads, len(parts), axis=2), strict=True))
    if rotary:
        turns = rotary_angles(ops.arange(length) if positions is None else positions, head_dim)
        angles = [ops.expand_dims(turn, -2) for turn in turns]
        found |= {part: rotate(ops.cast(found[part], "float32"), *angles) for part in parts if part in "qk"}
    if "q" in found:
        found["q"] = found["q"] * (1.0 / math.sqrt(head_dim))
    return tuple(ops.cast(ops.transpose(part, (0, 2, 1, 3)), dtype) for part in found.values())


def _softmax(scores: Any, mask: Any, *, dtype: str) -> Any:
    """Return the weights of the keys; `mask` is `(batch, keys)` or `(batch, queries, keys)`."""
    scores = ops.cast(scores, "float32")  # sums over a row need it in mixed precision
    if mask is not None:
        bias = (1.0 - ops.cast(mask, "float32")) * MASKED_SCORE
        # Not `bias[:, None, None, :]`: TFLite cannot convert that when batch and length are both open.
        queries = 1 if len(mask.shape) == 2 else ops.shape(scores)[2]
        scores = scores + ops.reshape(bias, (-1, 1, queries, ops.shape(scores)[3]))
    return ops.cast(ops.softmax(scores, axis=-1), dtype)


def _softmax_gradients(tensors: Any, weights: Any, gradient: Any, *, dtype: str) -> list[Any]:
    """Return the gradients of `_softmax` in the scores and, none, in the mask."""
    weights, gradient = ops.cast(weights, "float32"), ops.cast(gradient, "float32")
    of_scores = weights * (gradient - row_sums(weights * gradient))
    return [ops.cast(of_scores, tensors[0].dtype), None]
