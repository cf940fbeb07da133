from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.gelu import activated
from keras_mlm.layers.modeling.layer_norm import normalised
from keras_mlm.layers.modeling.states_at import states_at
from keras_mlm.layers.modeling.transposed_product import transposed_product


@keras.saving.register_keras_serializable(package="keras_mlm")
class MaskedLMHead(keras.layers.Layer):
    """Predicts the tokens at the masked positions: dense, GELU and norm, then the product with the token embeddings.

    Only the masked positions are computed, and unless `tied` is off the output matrix is the token embedding itself,
    handed in at each call, so that there is one copy of it and both uses train it.

    Args:
        vocabulary_size: int, number of tokens.
        hidden_dim: int, width of the hidden states.
        layer_norm_epsilon: float. Defaults to `1e-12`.
        initializer_range: float, standard deviation of the truncated normal of the kernel. Defaults to `0.02`.
        activation: `"gelu"` or `"gelu_tanh"`. Defaults to `"gelu"`.
        tied: bool, whether the output matrix is the token embedding; else the head has one of its own. Defaults to
            `True`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Call arguments:
        sequence_output: float tensor `(batch, length, hidden_dim)`.
        mask_positions: int tensor `(batch, predictions)`; unused slots hold any position, such as 0. `None` where
            `sequence_output` holds the masked positions only.
        token_embeddings: float tensor `(vocabulary_size, hidden_dim)`; not used where `tied` is off.

    Returns:
        Logits `(batch, predictions, vocabulary_size)`.

    Example:
        ```python
        head = MaskedLMHead(vocabulary_size=100, hidden_dim=16)
        head(keras.random.normal((2, 5, 16)), keras.ops.array([[1], [3]]), keras.random.normal((100, 16)))
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805)
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        *,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        activation: str = "gelu",
        tied: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.activation = activation
        self.tied = tied
        initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
        self.dense = keras.layers.Dense(hidden_dim, kernel_initializer=initializer, name="dense")
        self.norm = keras.layers.LayerNormalization(epsilon=layer_norm_epsilon, name="norm")

    def build(self, sequence_output_shape: Any) -> None:
        """Create the weights."""
        self.dense.build((None, self.hidden_dim))
        self.norm.build((None, self.hidden_dim))
        self.output_bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="output_bias")
        self.output_embeddings = (
            None
            if self.tied
            else self.add_weight(
                shape=(self.vocabulary_size, self.hidden_dim),
                initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
                name="output_embeddings",
            )
        )
        self.built = True

    def call(self, sequence_output: Any, mask_positions: Any, token_embeddings: Any) -> Any:
        """Return the logits at the masked positions."""
        states = sequence_output if mask_positions is None else states_at(sequence_output, mask_positions)
        predictions = ops.shape(states)[1]
        x = ops.reshape(states, (-1, self.hidden_dim))
        x = normalised(activated(self.dense(x), self.activation), self.norm)
        output_embeddings = token_embeddings if self.output_embeddings is None else self.output_embeddings
        logits = transposed_product(x, output_embeddings) + self.output_bias
        return ops.reshape(logits, (-1, predictions, self.vocabulary_size))

    def compute_output_shape(
        self, sequence_output_shape: Any, mask_positions_shape: Any, token_embeddings_shape: Any
    ) -> Any:
        """Return `(batch, predictions, vocabulary_size)`."""
        rows = sequence_output_shape[:2] if mask_positions_shape is None else mask_positions_shape
        return (*rows, self.vocabulary_size)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
            "activation": self.activation,
            "tied": self.tied,
        }
