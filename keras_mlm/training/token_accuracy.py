"""Counts, token type by token type, how often a model guesses a masked token right."""

from typing import Any

import keras
import numpy as np
from keras import ops


class TokenAccuracy:
    """Σ w · [guessed right] and Σ w of every label, over all replicas and everything since it was last taken.

    Args:
        vocabulary_size: int, number of labels.

    Attributes:
        sums: `keras.Variable` float32 `(vocabulary_size, 2)`: whole numbers, so that the order of adding is no matter.

    Example:
        ```python
        accuracy = TokenAccuracy(8000)
        accuracy.update(labels, logits, weights)
        hits, seen = accuracy.take().T
        ```
    """

    def __init__(self, vocabulary_size: int) -> None:
        # As the variables of a metric: each replica adds up its own, and who reads from outside gets the sum.
        self.sums = keras.Variable(
            np.zeros((vocabulary_size, 2), np.float32), trainable=False, dtype="float32",
            aggregation="sum", synchronization="on_read", name="token_accuracy",
        )  # fmt: skip

    def update(self, labels: Any, logits: Any, weights: Any) -> None:
        """Add some rows.

        Args:
            labels: int tensor `(…)`.
            logits: float tensor `(…, vocabulary_size)`.
            weights: float tensor `(…)`.
        """
        hits = ops.cast(ops.argmax(logits, axis=-1) == ops.cast(labels, "int32"), "float32")
        weights = ops.cast(weights, "float32")
        parts = ops.reshape(ops.stack([weights * hits, weights], axis=-1), (-1, 2))
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        self.sums.assign_add(ops.segment_sum(parts, labels, num_segments=self.sums.shape[0]))

    def take(self) -> np.ndarray:
        """Return the sums as an array and begin anew; under a strategy all workers must call it."""
        sums = np.array(ops.convert_to_numpy(self.sums))
        self.sums.assign(np.zeros_like(sums))
        return sums
