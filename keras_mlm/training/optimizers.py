"""The optimizers BERT is pre-trained with."""

from typing import Any

import keras
from keras import ops

from keras_mlm.config import PretrainingConfig


@keras.saving.register_keras_serializable(package="keras_mlm")
class AdamWithoutBiasCorrection(keras.optimizers.AdamW):
    """AdamW as the original BERT has it: the moments start at 0 and are not corrected for it.

    The first steps are smaller by up to (1 − β₁) / √(1 − β₂), which a warm-up hides.

    References:
        - [BERT's optimization.py](https://github.com/google-research/bert/blob/master/optimization.py)
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update the moments and one variable."""
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * self._direction(gradient, variable, False))

    def _direction(self, gradient: Any, variable: Any, corrected: bool) -> Any:
        """Update the moments and return m / (√v + ε), corrected for their start at 0 or not."""
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index], self._velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign_add(momentum, (gradient - momentum) * (1.0 - self.beta_1))
        self.assign_add(velocity, (ops.square(gradient) - velocity) * (1.0 - self.beta_2))
        first, second = ops.convert_to_tensor(momentum), ops.convert_to_tensor(velocity)
        if corrected:
            step = ops.cast(self.iterations + 1, variable.dtype)
            first = first / (1.0 - ops.power(ops.cast(self.beta_1, variable.dtype), step))
            second = second / (1.0 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        return first / (ops.sqrt(second) + self.epsilon)


@keras.saving.register_keras_serializable(package="keras_mlm")
class Lamb(AdamWithoutBiasCorrection):
    """AdamW whose step is, matrix by matrix, as long as the weights times the rate, for very large batches.

    Decay is part of the step whose length is adapted; what does not decay (norms, biases) is not adapted either.
    `keras.optimizers.Lamb` decays outside the step and adapts everything.

    References:
        - [Large batch optimization for deep learning](https://arxiv.org/abs/1904.00962)
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update the moments and one variable."""
        step = self._direction(gradient, variable, True)
        if self._use_weight_decay(variable):
            weights = ops.convert_to_tensor(variable)
            step = step + self.weight_decay * weights
            weight_norm, step_norm = ops.norm(weights), ops.norm(step)
            adapted = ops.logical_and(weight_norm > 0, step_norm > 0)
            step = step * ops.where(adapted, ops.divide_no_nan(weight_norm, step_norm), 1.0)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * step)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing: `update_step` decays."""


CLASSES: dict[str, type[keras.optimizers.AdamW]] = {
    "adamw": keras.optimizers.AdamW,
    "adamw_original": AdamWithoutBiasCorrection,
    "lamb": Lamb,
}


def optimizer_from(config: PretrainingConfig) -> keras.optimizers.Optimizer:
    """Return the optimizer of a run with its decay, clipping and rate; norms and biases do not decay.

    The learning rate is a plain variable, so that `TrainingBudget` can set it before every step.

    Args:
        config: `PretrainingConfig`, of which `optimizer`, `learning_rate`, `weight_decay` and `clip_norm` are read.

    Returns:
        An unbuilt optimizer.

    Example:
        ```python
        model.compile(optimizer=optimizer_from(PretrainingConfig(steps=1000)), jit_compile=False)
        ```

    References:
        - [Decoupled weight decay regularization](https://arxiv.org/abs/1711.05101)
    """
    optimizer = CLASSES[config.optimizer](
        learning_rate=float(config.learning_rate),
        weight_decay=config.weight_decay,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        global_clipnorm=config.clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
