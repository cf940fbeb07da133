"""The optimizer BERT is pre-trained with."""

import keras

from keras_mlm.config import PretrainingConfig


def adamw(config: PretrainingConfig) -> keras.optimizers.Optimizer:
    """Return AdamW with the decay, clipping and rate of a run; norms and biases do not decay.

    The learning rate is a plain variable, so that `TrainingBudget` can set it before every step. Unlike the original
    BERT's optimizer, moments are corrected for their bias.

    Args:
        config: `PretrainingConfig`, of which `learning_rate`, `weight_decay` and `clip_norm` are read.

    Returns:
        An unbuilt `keras.optimizers.AdamW`.

    Example:
        ```python
        model.compile(optimizer=adamw(PretrainingConfig(steps=1000)), jit_compile=False)
        ```

    References:
        - [Decoupled weight decay regularization](https://arxiv.org/abs/1711.05101)
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=float(config.learning_rate),
        weight_decay=config.weight_decay,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        global_clipnorm=config.clip_norm,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
