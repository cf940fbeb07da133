from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.layers.modeling.layer_norm import normalised


@keras.saving.register_keras_serializable(package="keras_mlm")
class BertEmbeddings(keras.layers.Layer):
    """Turns ids into the encoder's first hidden states: token + segment (+ position), normalised.

    Args:
        vocabulary_size: int, number of tokens.
        hidden_dim: int, width of the hidden states.
        num_segments: int, segment ids told apart. Defaults to `2`.
        max_sequence_length: int, number of learned positions; `None` for an encoder that knows positions otherwise
            (rotary). Defaults to `None`.
        dropout: float in [0, 1), share of the output dropped in training. Defaults to `0.0`.
        layer_norm_epsilon: float. Defaults to `1e-12`.
        initializer_range: float, standard deviation of the truncated normal of the tables. Defaults to `0.02`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Call arguments:
        token_ids: int tensor `(batch, length)`.
        segment_ids: int tensor `(batch, length)`. Defaults to `None`, all in segment 0.
        position_ids: int tensor `(batch, length)`, which learned position is whose. Defaults to `None`, 0, 1, 2, …

    Returns:
        Tensor `(batch, length, hidden_dim)`.

    Example:
        ```python
        layer = BertEmbeddings(vocabulary_size=100, hidden_dim=16, max_sequence_length=8)
        layer(keras.ops.array([[2, 17, 3]]))
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805)
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        *,
        num_segments: int = 2,
        max_sequence_length: int | None = None,
        dropout: float = 0.0,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_segments = num_segments
        self.max_sequence_length = max_sequence_length
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.token_embedding = self._embedding(vocabulary_size, "token_embedding")
        self.segment_embedding = self._embedding(num_segments, "segment_embedding")
        self.position_embedding = (
            self._embedding(max_sequence_length, "position_embedding") if max_sequence_length else None
        )
        self.norm = keras.layers.LayerNormalization(epsilon=layer_norm_epsilon, name="norm")
        self.dropout = Dropout(dropout, name="dropout") if dropout else None

    def _embedding(self, size: int, name: str) -> keras.layers.Embedding:
        initializer = keras.initializers.TruncatedNormal(stddev=self.initializer_range)
        # Rows are read before they are rounded to half precision: their gradients, sums over all places of a token, are
        # added up in the precision of the weights, and the table is not rounded as a whole.
        return keras.layers.Embedding(
            size, self.hidden_dim, embeddings_initializer=initializer, dtype=self.variable_dtype, name=name
        )

    def build(self, token_ids_shape: Any) -> None:
        """Create the weights."""
        self.token_embedding.build((None, None))
        self.segment_embedding.build((None, None))
        if self.position_embedding is not None:
            self.position_embedding.build((None,))
        self.norm.build((None, None, self.hidden_dim))
        if self.dropout is not None:
            self.dropout.build((None, None, self.hidden_dim))
        self.built = True

    def call(
        self, token_ids: Any, segment_ids: Any = None, position_ids: Any = None, training: bool | None = None
    ) -> Any:
        """Return the first hidden states."""
        x = self.token_embedding(token_ids)
        x = x + self.segment_embedding(ops.zeros_like(token_ids) if segment_ids is None else segment_ids)
        if self.position_embedding is not None:
            x = x + self.position_embedding(
                ops.arange(ops.shape(token_ids)[1]) if position_ids is None else position_ids
            )
        x = ops.cast(normalised(x, self.norm), self.compute_dtype)
        return x if self.dropout is None else self.dropout(x, training=training)

    def compute_output_shape(
        self, token_ids_shape: Any, segment_ids_shape: Any = None, position_ids_shape: Any = None
    ) -> Any:
        """Return `(batch, length, hidden_dim)`."""
        return (*token_ids_shape, self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "num_segments": self.num_segments,
            "max_sequence_length": self.max_sequence_length,
            "dropout": self.dropout.rate if self.dropout else 0.0,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
        }
