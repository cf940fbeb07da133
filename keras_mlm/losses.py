"""What is learned: cross-entropies whose mean is taken over the weights of the global batch."""

from typing import Any

from keras import ops

from keras_mlm.layers.modeling.replicas import global_sum


def cross_entropy_sums(labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
    """Return Σ w · ce and Σ w of this replica's rows, the two numbers a mean over any larger batch is made of.

    Args:
        labels: int tensor `(…)`, the true classes; anything valid where the weight is 0.
        logits: float tensor `(…, classes)`.
        weights: float tensor `(…)`, 0 where there is nothing to learn.

    Returns:
        Two float32 scalars.
    """
    cross_entropy = ops.sparse_categorical_crossentropy(labels, ops.cast(logits, "float32"), from_logits=True)
    weights = ops.cast(weights, "float32")
    return ops.sum(weights * cross_entropy), ops.sum(weights)


def weighted_mean_loss(total: Any, weight: Any) -> Any:
    """Return this replica's share of Σ w · ce / Σ w over the global batch; 0 where all weights are 0.

    Keras adds the replicas' gradients, so the shares add up to the gradient of the global mean however unevenly the
    weights are spread. (A mean of per-replica means would not.) With one replica the share is the mean itself.

    Args:
        total: float32 scalar, this replica's Σ w · ce.
        weight: float32 scalar, this replica's Σ w.

    Returns:
        Float32 scalar.

    Example:
        ```python
        loss = weighted_mean_loss(*cross_entropy_sums([1, 0], [[0.0, 2.0], [5.0, 5.0]], [1.0, 0.0]))  # 0.1269
        ```
    """
    return ops.divide_no_nan(total, global_sum(weight))
