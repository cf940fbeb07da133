import re
from typing import Any

import keras
from keras import ops

_BLOCK = re.compile(r"/encoder_block_(\d+)/")


@keras.saving.register_keras_serializable(package="keras_mlm")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW whose rate falls from the head to the embeddings: what was learned first is changed least.

    Head, pooler and final norm have the whole rate, the last encoder block `layer_decay` times as much, the one before
    that once more, and the embeddings the least. Steps and decay of the weights are scaled alike. Norms and biases do
    not decay.

    Args:
        learning_rate: float, that of the head. `TrainingBudget` sets it before every step.
        num_layers: int, encoder blocks of the model.
        layer_decay: float in (0, 1], from one block to the one below; 1 is plain AdamW. Defaults to `1.0`.
        weight_decay: float. Defaults to `0.01`.
        global_clipnorm: float, the largest norm of all gradients together. Defaults to `1.0`.
        **kwargs: others of `keras.optimizers.AdamW`.

    Example:
        ```python
        model.compile(LayerwiseAdamW(1e-4, num_layers=model.config.num_layers, layer_decay=0.8))
        ```

    References:
        - [Universal language model fine-tuning](https://arxiv.org/abs/1801.06146), discriminative fine-tuning
        - [ELECTRA](https://arxiv.org/abs/2003.10555), appendix B
    """

    def __init__(
        self,
        learning_rate: Any = 1e-4,
        *,
        num_layers: int,
        layer_decay: float = 1.0,
        weight_decay: float = 0.01,
        global_clipnorm: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            global_clipnorm=global_clipnorm,
            **{"epsilon": 1e-6, **kwargs},
        )
        self.num_layers = num_layers
        self.layer_decay = layer_decay
        self.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])

    def build(self, variables: Any) -> None:
        """Create the moments and look up each variable's share of the rate by its path."""
        super().build(variables)
        self._shares = [self.rate_share(variable.path) for variable in variables]

    def rate_share(self, path: str) -> float:
        """Return the share of the rate that a variable has, by its path in a fine-tuned model.

        Args:
            path: str, of a variable of the model.

        Returns:
            float in (0, 1].
        """
        block = _BLOCK.search(path)
        if block is not None:
            return self.layer_decay ** (self.num_layers - int(block[1]))
        return self.layer_decay ** (self.num_layers + 1) if "/embeddings/" in path else 1.0

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update the moments and one variable."""
        rate = ops.cast(learning_rate, variable.dtype) * self._shares[self._get_variable_index(variable)]
        if self._use_weight_decay(variable):
            self.assign_sub(variable, ops.convert_to_tensor(variable) * (rate * self.weight_decay))
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing: `update_step` decays, by the variable's own rate."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        return {**super().get_config(), "num_layers": self.num_layers, "layer_decay": self.layer_decay}
