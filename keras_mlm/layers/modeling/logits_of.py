from typing import Any

from keras import ops


def logits_of(labels: Any, logits: Any) -> Any:
    """Return the logit of each label.

    Args:
        labels: int32 tensor `(…)`, from 0.
        logits: float tensor `(…, classes)`.

    Returns:
        Tensor of the shape of `labels`, also where no size of it is known, and of the type of `logits`.

    Example:
        ```python
        logits_of(keras.ops.array([1, 0]), keras.ops.array([[0.0, 2.0], [5.0, 6.0]]))  # [2.0, 5.0]
        ```
    """
    found = ops.take_along_axis(logits, ops.expand_dims(labels, -1), axis=-1)
    return ops.reshape(found, ops.shape(labels))
