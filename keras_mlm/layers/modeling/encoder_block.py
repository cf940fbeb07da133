from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.layers.modeling.gelu import activated
from keras_mlm.layers.modeling.layer_norm import normalised, sum_and_normalised
from keras_mlm.layers.modeling.multi_head_attention import MultiHeadAttention
from keras_mlm.layers.modeling.states_at import states_at


@keras.saving.register_keras_serializable(package="keras_mlm")
class EncoderBlock(keras.layers.Layer):
    """One layer of the encoder: attention, then a feed-forward network, each added to what came in.

    `norm="post"`: `x = norm(x + sublayer(x))`, as in the paper. `norm="pre"`: `x = x + sublayer(norm(x))`, whose
    gradient reaches every layer undamped; the caller normalises the last block's output.

    Args:
        num_heads: int, attention heads.
        hidden_dim: int, width of input and output.
        intermediate_dim: int, width inside the feed-forward network.
        norm: `"post"` or `"pre"`. Defaults to `"post"`.
        rotary: bool, whether attention turns queries and keys by their position. Defaults to `False`.
        dropout: float in [0, 1), share dropped of attention scores and of both sub-layers' outputs. Defaults to `0.0`.
        layer_norm_epsilon: float. Defaults to `1e-12`.
        initializer_range: float, standard deviation of the truncated normal of the kernels. Defaults to `0.02`.
        activation: `"gelu"` or `"gelu_tanh"`. Defaults to `"gelu"`.
        gated: bool, whether the feed-forward network is gelu(x · W) · (x · V), two thirds as wide, so that the number
            of weights stays. Defaults to `False`.
        biases: bool, whether products and norms add biases. Defaults to `True`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Call arguments:
        hidden_states: float tensor `(batch, length, hidden_dim)`.
        padding_mask: bool tensor `(batch, length)`, `False` at padding. Defaults to `None`.
        attention_mask: bool tensor `(batch, length, length)`, in its place: who looks where. Defaults to `None`.
        output_positions: int tensor `(batch, count)`, the positions whose new states are wanted: only they are
            computed. Defaults to `None`, all of them.
        return_attention_scores: bool. Defaults to `False`.

    Returns:
        Tensor `(batch, length or count, hidden_dim)`; with `return_attention_scores` also a tensor
        `(batch, num_heads, length or count, length)`.

    Example:
        ```python
        block = EncoderBlock(num_heads=2, hidden_dim=16, intermediate_dim=64)
        block(keras.random.normal((3, 5, 16)), padding_mask=keras.ops.ones((3, 5), "bool"))
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805)
        - [On Layer Normalization in the Transformer Architecture](https://arxiv.org/abs/2002.04745)
        - [GLU Variants Improve Transformer](https://arxiv.org/abs/2002.05202)
    """

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        *,
        norm: str = "post",
        rotary: bool = False,
        dropout: float = 0.0,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        activation: str = "gelu",
        gated: bool = False,
        biases: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.norm = norm
        self.rotary = rotary
        self.rate = dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.activation = activation
        self.gated = gated
        self.biases = biases
        # A whole number of 32, which matrix units like.
        self.inner_dim = -(-2 * intermediate_dim // 96) * 32 if gated else intermediate_dim

        self.attention = MultiHeadAttention(
            num_heads,
            hidden_dim,
            rotary=rotary,
            dropout=dropout,
            initializer_range=initializer_range,
            biases=biases,
            name="attention",
        )
        self.attention_norm = self._norm("attention_norm")
        self.intermediate_dense = self._dense(2 * self.inner_dim if gated else self.inner_dim, "intermediate_dense")
        self.output_dense = self._dense(hidden_dim, "output_dense")
        self.output_norm = self._norm("output_norm")
        self.attention_dropout = Dropout(dropout, name="attention_dropout") if dropout else None
        self.output_dropout = Dropout(dropout, name="output_dropout") if dropout else None

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        return keras.layers.Dense(units, kernel_initializer=initializer, use_bias=self.biases, name=name)

    def _norm(self, name: str) -> keras.layers.LayerNormalization:
        return keras.layers.LayerNormalization(epsilon=self.layer_norm_epsilon, center=self.biases, name=name)

    def build(self, hidden_states_shape: Any) -> None:
        """Create the weights."""
        hidden, intermediate = (None, None, self.hidden_dim), (None, None, self.inner_dim)
        self.attention.build(hidden)
        self.attention_norm.build(hidden)
        self.intermediate_dense.build(hidden)
        self.output_dense.build(intermediate)
        self.output_norm.build(hidden)
        for dropout in (self.attention_dropout, self.output_dropout):
            if dropout is not None:
                dropout.build(hidden)
        self.built = True

    def call(
        self,
        hidden_states: Any,
        padding_mask: Any = None,
        attention_mask: Any = None,
        output_positions: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        """Return the new hidden states, and the attention scores if asked for."""
        x = hidden_states
        attended = self.attention(
            normalised(x, self.attention_norm) if self.norm == "pre" else x,
            padding_mask=padding_mask,
            attention_mask=attention_mask,
            query_positions=output_positions,
            return_attention_scores=return_attention_scores,
            training=training,
        )
        scores = None
        if return_attention_scores:
            attended, scores = attended
        if self.attention_dropout is not None:
            attended = self.attention_dropout(attended, training=training)
        x = x if output_positions is None else states_at(x, output_positions)
        # Either norm takes this sum; the paper's goes on with it normalised.
        x, normal = sum_and_normalised(x, attended, self.attention_norm if self.norm == "post" else self.output_norm)
        if self.norm == "post":
            x = normal

        # As in the attention, the products are of rows of tokens.
        length = ops.shape(x)[1]
        forward = self.intermediate_dense(ops.reshape(normal, (-1, self.hidden_dim)))
        forward = activated(forward, self.activation, gated=self.gated)
        forward = ops.reshape(self.output_dense(forward), (-1, length, self.hidden_dim))
        if self.output_dropout is not None:
            forward = self.output_dropout(forward, training=training)
        x = sum_and_normalised(x, forward, self.output_norm)[1] if self.norm == "post" else x + forward
        return (x, scores) if return_attention_scores else x

    def compute_output_shape(self, hidden_states_shape: Any, output_positions_shape: Any = None) -> Any:
        """Return the shape of the hidden states that are returned."""
        return (*(output_positions_shape or hidden_states_shape[:2]), self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "norm": self.norm,
            "rotary": self.rotary,
            "dropout": self.rate,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
            "activation": self.activation,
            "gated": self.gated,
            "biases": self.biases,
        }
