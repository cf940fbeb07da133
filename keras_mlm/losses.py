"""What is learned: cross-entropies whose mean is taken over the weights of the global batch.

The loss is Σ w · ce / Σ w over all replicas and micro-batches. Keras adds the replicas' gradients, and a step adds its
micro-batches', so each contributes its Σ w · ce divided by the Σ w of the whole: the shares add up to the gradient of
the global mean however unevenly the weights are spread, which a mean of means does not.
"""

from typing import Any

from keras import ops

from keras_mlm.layers.modeling.hits_of import hits_of
from keras_mlm.layers.modeling.logits_of import logits_of


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


def cross_entropy_with_gradients(labels: Any, logits: Any, weights: Any, whole: Any) -> tuple[Any, list[Any]]:
    """Return the share of a loss, the sums it is made of, and its gradients, in as few passes as it takes.

    Maximum, sum of exponentials, the label's logit and the loss are float32, whatever the logits are; only the gradient
    has their type, and no float32 copy of them is ever in memory.

    Args:
        labels: int tensor `(…)`; anything where the weight is 0.
        logits: float tensor `(…, classes)`.
        weights: float tensor `(…)`.
        whole: float32 scalar, Σ w of the global batch.

    Returns:
        Tuple of the float32 scalars (share, Σ w · ce, Σ w · [right], Σ w), where the share is that of
        `weighted_mean_loss` and the others are those of `cross_entropy_sums` and `metrics.accuracy_sums`, and of the
        list of the gradients of the share: those in the logits, and `None` in the others.
    """
    labels = ops.maximum(ops.cast(labels, "int32"), 0)
    weights = ops.cast(weights, "float32")
    wide = ops.cast(logits, "float32")
    largest = ops.max(wide, axis=-1, keepdims=True)
    exponentials = ops.exp(wide - largest)
    sums = ops.sum(exponentials, axis=-1, keepdims=True)
    label = ops.cast(logits_of(labels, logits), "float32")
    cross_entropy = ops.squeeze(ops.log(sums) + largest, -1) - label
    scale = ops.expand_dims(ops.divide_no_nan(weights, whole), -1)
    is_label = ops.expand_dims(labels, -1) == ops.arange(ops.shape(logits)[-1], dtype="int32")
    gradient = exponentials * (scale / sums) - ops.where(is_label, scale, 0.0)
    total = ops.sum(weights * cross_entropy)
    outputs = weighted_mean_loss(total, whole), total, ops.sum(weights * hits_of(labels, logits)), ops.sum(weights)
    return outputs, [None, ops.cast(gradient, logits.dtype), None, None]


def binary_cross_entropy_sums(labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
    """Return Σ w · ce and Σ w of rows whose classes are told one by one, as `cross_entropy_sums` does.

    Args:
        labels: tensor `(batch, classes)`, 1 for each class that a row has, else 0.
        logits: float tensor `(batch, classes)`.
        weights: float tensor `(batch,)`.

    Returns:
        Two float32 scalars; a row's cross-entropy is the mean over its classes.
    """
    labels, logits = ops.cast(labels, "float32"), ops.cast(logits, "float32")
    cross_entropy = ops.mean(ops.binary_crossentropy(labels, logits, from_logits=True), axis=-1)
    weights = ops.cast(weights, "float32")
    return ops.sum(weights * cross_entropy), ops.sum(weights)


def divergence_sums(teacher_logits: Any, logits: Any, weights: Any, temperature: float) -> tuple[Any, Any]:
    """Return Σ w · T² · KL(teacher ‖ student) and Σ w, as `cross_entropy_sums` does; gradients reach the student only.

    Both distributions are softened by the temperature T; T² keeps the gradients as large as those of the cross-entropy.

    Args:
        teacher_logits: float tensor `(…, classes)`.
        logits: float tensor `(…, classes)`, the student's.
        weights: float tensor `(…)`, 0 where there is nothing to learn.
        temperature: float above 0.

    Returns:
        Two float32 scalars.

    References:
        - [Distilling the Knowledge in a Neural Network](https://arxiv.org/abs/1503.02531)
    """
    wanted = ops.log_softmax(ops.cast(ops.stop_gradient(teacher_logits), "float32") / temperature)
    found = ops.log_softmax(ops.cast(logits, "float32") / temperature)
    divergence = ops.sum(ops.exp(wanted) * (wanted - found), axis=-1)
    weights = ops.cast(weights, "float32")
    return temperature**2 * ops.sum(weights * divergence), ops.sum(weights)


def cosine_distance_sums(wanted: Any, found: Any, weights: Any) -> tuple[Any, Any]:
    """Return Σ w · (1 - cosine) and Σ w of pairs of vectors, as `cross_entropy_sums` does.

    Args:
        wanted: float tensor `(…, width)`, to which no gradients flow.
        found: float tensor `(…, width)`.
        weights: float tensor `(…)`, 0 where there is nothing to learn.

    Returns:
        Two float32 scalars.
    """
    cosine = ops.sum(_of_length_one(ops.stop_gradient(wanted)) * _of_length_one(found), axis=-1)
    weights = ops.cast(weights, "float32")
    return ops.sum(weights * (1.0 - cosine)), ops.sum(weights)


def _of_length_one(vectors: Any) -> Any:
    vectors = ops.cast(vectors, "float32")
    # Inside the root, where the gradient stays finite for a vector of zeros.
    return vectors * ops.rsqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + 1e-12)


def weighted_mean_loss(total: Any, weight: Any) -> Any:
    """Return the share that some rows have in Σ w · ce / Σ w over the global batch; 0 where all weights are 0.

    Args:
        total: float32 scalar, Σ w · ce of these rows.
        weight: float32 scalar, Σ w of the global batch.

    Returns:
        Float32 scalar.

    Example:
        ```python
        loss = weighted_mean_loss(*cross_entropy_sums([1, 0], [[0.0, 2.0], [5.0, 5.0]], [1.0, 0.0]))  # 0.1269
        ```
    """
    return ops.divide_no_nan(total, weight)
