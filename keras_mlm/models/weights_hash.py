"""What a model's weights are known by."""

import hashlib
from typing import Any

import numpy as np
from keras import ops


def weights_hash(model: Any) -> str:
    """Return the SHA-256 of a model's weights: what a run or a corpus that was made with them is known by.

    Args:
        model: Keras model.

    Returns:
        str of 64 hexadecimal digits.

    Example:
        ```python
        weights_hash(load_model("saved_models/news"))[:16]
        ```
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(np.asarray(ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()
