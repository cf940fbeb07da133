from typing import Any

from keras import ops

from keras_mlm.layers.modeling.logits_of import logits_of


def hits_of(labels: Any, logits: Any) -> Any:
    """Return 1 for each label whose logit is the largest, else 0; of several largest, each counts for its share.

    Not `argmax`, which costs a twentieth of a step over a large vocabulary; several largest are often in bfloat16.

    Args:
        labels: int32 tensor `(…)`, from 0.
        logits: float tensor `(…, classes)`.

    Returns:
        Float32 tensor `(…)`.

    Example:
        ```python
        hits_of(keras.ops.array([1, 0]), keras.ops.array([[0.0, 2.0], [5.0, 5.0]]))  # [1.0, 0.5]
        ```
    """
    logits = ops.cast(logits, "float32")
    largest = ops.max(logits, axis=-1, keepdims=True)
    ties = ops.sum(ops.cast(logits == largest, "float32"), axis=-1)
    return ops.cast(logits_of(labels, logits) == ops.squeeze(largest, -1), "float32") / ties
