"""Writes what TensorBoard draws: a point every few steps, not a mean an epoch."""

import time
from typing import Any

import keras
import tensorflow as tf

from keras_mlm.training.event_file import EventFile
from keras_mlm.training.training_budget import TrainingBudget


class TrainingCurves(keras.callbacks.Callback):
    """Log losses, rates, gradient norm, update ratio and throughput for TensorBoard.

    `step_loss` and `gradient_norm` (before clipping) are of one step, the other losses means since the Keras epoch
    began. `update_ratio` is |Δw| / |w| over all weights in one step; about 1e-3 is healthy.

    Args:
        folder: str, where the event files are written.
        budget: `TrainingBudget` of the same `fit`, which stands before this callback in the list.
        tokens_per_step: float, tokens in a global batch.
        every_steps: int, steps between points. Defaults to `100`.

    Example:
        ```python
        model.fit(batches, callbacks=[budget, TrainingCurves("run/logs", budget, tokens_per_step=32 * 120.0)])
        ```
    """

    def __init__(self, folder: str, budget: TrainingBudget, tokens_per_step: float, *, every_steps: int = 100) -> None:
        super().__init__()
        self.budget = budget
        self.tokens_per_step = tokens_per_step
        self.every_steps = every_steps
        self._file = EventFile(tf.io.gfile.join(folder, "train"), "curves")
        self._before: list[Any] | None = None
        self._last = (0.0, 0)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Open the event file."""
        self._file.open()
        self._last = (time.monotonic(), self.budget.step)

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the weights before a step that is logged."""
        if (self.budget.step + 1) % self.every_steps == 0:
            self._before = [tf.identity(variable.value) for variable in self.model.trainable_variables]

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Write a point where it is time."""
        if self._before is None:
            return
        weights = [tf.convert_to_tensor(variable.value) for variable in self.model.trainable_variables]
        update = tf.linalg.global_norm([a - b for a, b in zip(weights, self._before, strict=True)])
        self._before = None
        (then, step), now = self._last, time.monotonic()
        self._last = (now, self.budget.step)
        points = {
            **(logs or {}),
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "update_ratio": float(update / tf.linalg.global_norm(weights)),
            "tokens_per_second": (self.budget.step - step) * self.tokens_per_step / max(1e-9, now - then),
            "skipped_batches": float(self.budget.skipped),
        }
        self._file.scalars(self.budget.step, points)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the event file."""
        self._file.close()
