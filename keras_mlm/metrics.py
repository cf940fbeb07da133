"""What is reported: means as Σ w · value / Σ w over everything seen since the last reset, on all replicas."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_mlm.layers.modeling.hits_of import hits_of
from keras_mlm.layers.modeling.replicas import global_sum


def accuracy_sums(labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
    """Return Σ w · [the largest logit is the label's] and Σ w.

    Args:
        labels: int tensor `(…)`.
        logits: float tensor `(…, classes)`.
        weights: float tensor `(…)`.

    Returns:
        Two float32 scalars.
    """
    # Labels below 0 have no weight, and no logit either.
    hits = hits_of(ops.maximum(ops.cast(labels, "int32"), 0), logits)
    weights = ops.cast(weights, "float32")
    return ops.sum(weights * hits), ops.sum(weights)


def exact_match_sums(labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
    """Return Σ w · [every class is told right] and Σ w; arguments as `losses.binary_cross_entropy_sums`."""
    right = ops.cast(logits > 0, "float32") == ops.cast(labels, "float32")
    weights = ops.cast(weights, "float32")
    return ops.sum(weights * ops.cast(ops.all(right, axis=-1), "float32")), ops.sum(weights)


@keras.saving.register_keras_serializable(package="keras_mlm")
class GlobalMean(keras.metrics.Metric):
    """A mean that adds up numerators and denominators, so that no batch or replica counts more than its weight.

    Args:
        name: str. Defaults to `"global_mean"`.
        **kwargs: `dtype` of `keras.metrics.Metric`.

    Example:
        ```python
        mean = GlobalMean()
        mean.update_state(total=6.0, weight=3.0)
        mean.update_state(total=0.0, weight=1.0)
        mean.result()  # 1.5
        ```
    """

    def __init__(self, name: str = "global_mean", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")
        self.weight = self.add_weight(shape=(), initializer="zeros", name="weight")

    def update_state(self, total: Any, weight: Any) -> None:
        """Add one batch's Σ w · value and Σ w."""
        self.total.assign_add(ops.cast(total, self.dtype))
        self.weight.assign_add(ops.cast(weight, self.dtype))

    def result(self) -> Any:
        """Return the mean so far; 0 before anything with a weight was seen."""
        return global_means([self])[0]


def global_means(means: Sequence[GlobalMean]) -> list[Any]:
    """Return the results of several means, for which replicas exchange their sums once."""
    # Inside a step of several replicas each sees its own sums only; outside, reading a variable adds them up.
    sums = ops.stack([variable.value for mean in means for variable in (mean.total, mean.weight)])
    sums = ops.unstack(global_sum(sums), 2 * len(means))
    return [ops.divide_no_nan(total, weight) for total, weight in zip(sums[::2], sums[1::2], strict=True)]
