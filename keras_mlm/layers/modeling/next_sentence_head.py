from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_mlm")
class NextSentenceHead(keras.layers.Layer):
    """Tells from the pooled first position whether segment B follows segment A in the text.

    Args:
        hidden_dim: int, width of the pooled output.
        initializer_range: float, standard deviation of the truncated normal of the kernel. Defaults to `0.02`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Call arguments:
        pooled_output: float tensor `(batch, hidden_dim)`.

    Returns:
        Logits `(batch, 2)`; class 0 says that B follows A, class 1 that B was drawn from another document.

    Example:
        ```python
        NextSentenceHead(hidden_dim=16)(keras.random.normal((3, 16)))
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805)
    """

    def __init__(self, hidden_dim: int, *, initializer_range: float = 0.02, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.initializer_range = initializer_range
        initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
        self.dense = keras.layers.Dense(2, kernel_initializer=initializer, name="dense")

    def build(self, pooled_output_shape: Any) -> None:
        """Create the weights."""
        self.dense.build((None, self.hidden_dim))
        self.built = True

    def call(self, pooled_output: Any) -> Any:
        """Return the logits."""
        return self.dense(pooled_output)

    def compute_output_shape(self, pooled_output_shape: Any) -> Any:
        """Return `(batch, 2)`."""
        return (pooled_output_shape[0], 2)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {**super().get_config(), "hidden_dim": self.hidden_dim, "initializer_range": self.initializer_range}
