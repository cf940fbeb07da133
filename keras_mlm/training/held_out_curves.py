"""Writes the held-out figures of every epoch for TensorBoard, over the same steps as those of training."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_mlm.training.event_file import EventFile
from keras_mlm.training.training_budget import TrainingBudget


class HeldOutCurves(keras.callbacks.Callback):
    """Log what is measured on held-out examples at the end of every Keras epoch.

    These are the entries `val_…` of the epoch's logs, which callbacks before this one have measured, or what `evaluate`
    returns. Where they cannot be written, training goes on and the log says so. Under a strategy of several workers
    all of them must evaluate, so all of them have this callback; the chief writes.

    Args:
        folder: str, the folder of event files; theirs is `held_out` in it.
        budget: `TrainingBudget` of the same `fit`, which stands before this callback in the list.
        evaluate: callable that returns a dict of str to float; its entries join the logs as `val_…`. Defaults to
            `None`, the logs as they are.
        every_steps: int, the fewest steps between two calls of `evaluate`. Defaults to `1`.

    Example:
        ```python
        few = lambda: model.evaluate(validation, steps=8, verbose=0, return_dict=True)
        model.fit(batches, steps_per_epoch=100, callbacks=[budget, HeldOutCurves("run/logs", budget, few)])
        ```
    """

    def __init__(
        self,
        folder: str,
        budget: TrainingBudget,
        evaluate: Callable[[], dict[str, float]] | None = None,
        *,
        every_steps: int = 1,
    ) -> None:
        super().__init__()
        self.budget = budget
        self.evaluate = evaluate
        self.every_steps = every_steps
        self._last = 0
        self._file = EventFile(tf.io.gfile.join(folder, "held_out"), "held-out figures")

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Count from where the run goes on."""
        self._last = self.budget.step

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure and write."""
        logs = logs if logs is not None else {}
        if self.evaluate is not None and self.budget.step - self._last >= self.every_steps:
            self._last = self.budget.step
            logs.update({f"val_{name}": float(value) for name, value in self.evaluate().items()})
        points = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if points and self.budget.workers.is_chief:
            self._file.scalars(self.budget.step, points)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the event file."""
        self._file.close()
