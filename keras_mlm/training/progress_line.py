"""Shows how a run goes in one line: a bar on a terminal, a line a minute elsewhere."""

import logging
import math
import sys
import time
from typing import Any

import keras

from keras_mlm.training.training_budget import TrainingBudget

logger = logging.getLogger(__name__)

# How the metrics of `BertPretrainer` and of fine-tuned models are called in the line.
LABELS = {
    "loss": "loss",
    "masked_lm_accuracy": "masked LM",
    "next_sentence_accuracy": "next sentence",
    "accuracy": "accuracy",
    "val_accuracy": "dev accuracy",
    "val_f1": "dev F1",
}
_FIRST = "training: the first step is traced, which takes a while"


class ProgressLine(keras.callbacks.Callback):
    """Show step, loss, accuracies, tokens per second, learning rate and the time left.

    Losses and accuracies are the means of the last whole Keras epoch (of the running one during the first).

    Args:
        budget: `TrainingBudget` of the same `fit`, which stands before this callback in the list.
        tokens_per_step: float, tokens in a global batch; give the mean number without padding to be told real tokens.
        peak_steps_per_second: float, the pace at which the devices would do nothing but the model's matrix products at
            their best; the line then shows the share of it that is reached. Defaults to `None`.
        every_seconds: float, time between lines where the output is no terminal. Defaults to `60`.

    Example:
        ```python
        model.fit(batches, callbacks=[budget, ProgressLine(budget, tokens_per_step=32 * 120.0)])
        ```
    """

    def __init__(
        self,
        budget: TrainingBudget,
        tokens_per_step: float,
        *,
        peak_steps_per_second: float | None = None,
        every_seconds: float = 60.0,
    ) -> None:
        super().__init__()
        self.budget = budget
        self.tokens_per_step = tokens_per_step
        self.peak_steps_per_second = peak_steps_per_second
        self._on_terminal = sys.stderr.isatty()
        self._every = 0.5 if self._on_terminal else every_seconds
        self._logs: dict[str, float] = {}
        self._next = 0.0
        self._shown = -1
        self._bar: Any = None

    @property
    def tokens_per_second(self) -> float:
        """The mean pace so far; NaN before the second step."""
        return self.budget.steps_per_second * self.tokens_per_step

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Say that the first step takes longer."""
        self._logs = {}
        self._shown = -1
        self._next = time.monotonic() + self._every
        if self._on_terminal:
            from tqdm import tqdm

            self._bar = tqdm(total=100.0, bar_format="{percentage:3.0f}%|{bar:20}| {desc}", desc=_FIRST)
        else:
            logger.info(_FIRST)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Refresh the line when it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            self._show(self._logs or logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the epoch's means."""
        self._logs = dict(logs or {})

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Show the last line and leave it standing."""
        if self._shown != self.budget.step:
            self._show(self._logs or logs or {})
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, logs: dict[str, float]) -> None:
        self._shown = self.budget.step
        line = self._line(logs)
        if self._bar is not None:
            self._bar.n = 100.0 * self.budget.progress
            self._bar.set_description_str(line)
        else:
            logger.info("%3.0f %% | %s", 100.0 * self.budget.progress, line)

    def _line(self, logs: dict[str, float]) -> str:
        parts = [f"step {self.budget.step:,}"]
        parts += [f"{label} {logs[name]:.3f}" for name, label in LABELS.items() if name in logs]
        if not math.isnan(self.tokens_per_second):
            parts.append(f"{self.budget.pace * self.tokens_per_step:,.0f} tokens/s")
            if self.peak_steps_per_second is not None:
                parts.append(f"{self.budget.pace / self.peak_steps_per_second:.0%} of peak")
        parts.append(f"rate {float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)):.1e}")
        if not math.isnan(self.budget.seconds_left):
            parts.append(f"{_clock(self.budget.seconds_left)} left")
        return " | ".join(parts)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
