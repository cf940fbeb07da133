"""Ends a run after so many steps or minutes, and fits the learning rate's curve to them."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_mlm.errors import InputError
from keras_mlm.training.schedules import rate_factor
from keras_mlm.training.workers import Workers


class TrainingBudget(keras.callbacks.Callback):
    """Stop `fit` when a number of steps or minutes is used up, and set the learning rate before every step.

    The rate rises and falls as `rate_factor` says, from the share of the budget that is used; the last step has a rate
    near the schedule's end. Minutes count the time inside `fit`, the first step's tracing included, so that a run ends
    when the clock says so: half a step after it at the latest, by the measured pace. The curve leaves the tracing out:
    otherwise the rate would jump at the second step.

    A run may have stages, such as one of short rows and one of long rows, each a `fit` of its own: at the end of one,
    `fit` stops, and `stage` and `place` say with which batches to go on. The curve runs through; the pace is measured
    anew, and the tracing of a stage to come is expected to take as long as that of those before.

    A checkpoint keeps `state()`, so steps and minutes add up over all runs until the budget is used.

    Args:
        steps: int, optimizer steps in all; exactly one of `steps` and `minutes` is given.
        minutes: float, minutes in all.
        learning_rate: float, the highest rate.
        warmup: float in [0, 1), share of the budget in which the rate rises. Defaults to `0.1`.
        schedule: str, how the rate follows the progress, see `rate_factor`. Defaults to `"linear"`.
        stage_ends: sequence of float, shares of the budget at which a stage ends and the next begins. Defaults to `()`.
        workers: `Workers` of the strategy, whose clock counts. Defaults to `None`, one process.

    Raises:
        InputError: both or neither of `steps` and `minutes`; in `fit`, a model that executes several steps at once.

    Example:
        ```python
        budget = TrainingBudget(minutes=4, learning_rate=2e-3)
        model.fit(batches, epochs=10**6, steps_per_epoch=100, callbacks=[budget])
        ```
    """

    def __init__(
        self,
        *,
        steps: int | None = None,
        minutes: float | None = None,
        learning_rate: float,
        warmup: float = 0.1,
        schedule: str = "linear",
        stage_ends: Sequence[float] = (),
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        if (steps is None) == (minutes is None):
            raise InputError("give the length of the run either in steps or in minutes")
        self.steps = steps
        self.minutes = minutes
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.schedule = schedule
        self.stage_ends = tuple(stage_ends)
        self.workers = workers or Workers()
        self.step = 0
        self.skipped = 0
        self.stage = 0
        # What of position, timed steps and timed seconds was used before the stage.
        self._before = (0, 0, 0.0)
        # The first step of every process is slow (it traces and compiles): it is kept apart from the pace.
        self._seconds = 0.0
        self._startup_steps = 0
        self._startup_seconds = 0.0
        self._started: float | None = None
        self._starting = False

    @property
    def seconds(self) -> float:
        """The time spent inside `fit`, in all runs together."""
        return self._seconds + (self.workers.now() - self._started if self._started is not None else 0.0)

    @property
    def progress(self) -> float:
        """The share of the budget that is used, in [0, 1]."""
        if self.steps is not None:
            # The middle of the step to come: neither the first nor the last step is wasted on a rate of 0.
            return min(1.0, (self.step + 0.5) / self.steps)
        whole = 60.0 * (self.minutes or 0.0) - self._startup_seconds - self._tracing_left
        middle = self.seconds - self._startup_seconds + self._half_step
        return min(1.0, max(0.0, middle / whole)) if whole > 0 else 1.0

    @property
    def _tracing_left(self) -> float:
        """The seconds that the first steps of this process's and of later stages are expected to take."""
        first_steps = len(self.stage_ends) - self.stage + self._starting
        return first_steps * self._startup_seconds / max(1, self._startup_steps)

    @property
    def used_up(self) -> bool:
        """Whether nothing is left to do."""
        if self.steps is not None:
            return self.step >= self.steps
        return self.seconds + self._half_step >= 60.0 * (self.minutes or 0.0)

    @property
    def _half_step(self) -> float:
        """Half the seconds of a step after the first; 0 before there is one."""
        return 0.5 / self.pace if self.step > self._startup_steps else 0.0

    @property
    def steps_per_second(self) -> float:
        """The mean pace in all runs together, without the first step of each where there are others; NaN before any."""
        steps, seconds = self.step - self._startup_steps, self.seconds - self._startup_seconds
        if steps < 1:
            steps, seconds = self.step, self.seconds
        return steps / seconds if steps > 0 and seconds > 0 else math.nan

    @property
    def pace(self) -> float:
        """The steps a second of the running stage, as `steps_per_second`; before it has any, those of the whole run."""
        _, steps, seconds = (now - before for now, before in zip(self._used, self._before, strict=True))
        return steps / seconds if steps > 0 and seconds > 0 else self.steps_per_second

    @property
    def _used(self) -> tuple[int, int, float]:
        return self.position, self.step - self._startup_steps, self.seconds - self._startup_seconds

    @property
    def seconds_left(self) -> float:
        """The time the rest of the budget takes; NaN as long as the pace is unknown."""
        if self.steps is not None:
            return (self.steps - self.step) / self.pace
        return max(0.0, 60.0 * (self.minutes or 0.0) - self.seconds)

    @property
    def position(self) -> int:
        """The place in the data: the number of batches used, those that were skipped included."""
        return self.step + self.skipped

    @property
    def place(self) -> int:
        """The place in the data of the running stage: the number of its batches used."""
        return self.position - self._before[0]

    def skip_to(self, step: int) -> None:
        """Go back to an earlier step without going back in the data: the batches since then are left out.

        Args:
            step: int, at most the present one.
        """
        self.step, self.skipped = step, self.position - step

    def state(self) -> dict[str, Any]:
        """Return what has been used so far, as plain data."""
        return {
            "step": self.step,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "startup_steps": self._startup_steps,
            "startup_seconds": self._startup_seconds,
            "stage": self.stage,
            "before_stage": list(self._before),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned.

        Args:
            state: dict of plain data.
        """
        self.step = int(state["step"])
        self.skipped = int(state.get("skipped", 0))  # absent from the first version's checkpoints
        self._seconds = float(state["seconds"])
        self._startup_steps = int(state["startup_steps"])
        self._startup_seconds = float(state["startup_seconds"])
        self.stage = int(state.get("stage", 0))
        position, steps, seconds = state.get("before_stage", self._before)
        self._before = (int(position), int(steps), float(seconds))

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        if getattr(self.model, "steps_per_execution", 1) > 1:
            raise InputError(
                "the budget counts every step and sets its rate: compile the model without steps_per_execution"
            )
        self.workers.agree()
        self._started = self.workers.now()
        self._starting = True

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Set the learning rate of the step to come."""
        self.model.optimizer.learning_rate = self.learning_rate * rate_factor(self.schedule, self.progress, self.warmup)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Count the step and stop when the budget is used up or the stage is over."""
        self.step += 1
        self.workers.agree()
        if self._starting and self._started is not None:
            self._starting = False
            self._startup_steps += 1
            self._startup_seconds += self.workers.now() - self._started
        if self.minutes is not None and self.step - self._startup_steps == 2:
            self._check_warmup()
        if self.used_up:
            self.model.stop_training = True
        elif self.stage < len(self.stage_ends) and self.progress >= self.stage_ends[self.stage]:
            self.stage, self._before = self.stage + 1, self._used
            self.model.stop_training = True

    def _check_warmup(self) -> None:
        whole = (self.seconds_left - self._tracing_left) * self.pace + self.step
        if self.warmup and whole * self.warmup < 1:
            needed = (10 / self.warmup / self.pace + self._tracing_left) / 60
            raise InputError(
                f"{self.minutes:g} minutes are about {whole:.0f} steps here, too few to warm up: give {needed:.0f} "
                "minutes or more, a smaller model or a smaller batch"
            )

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Stop the clock."""
        self._seconds = self.seconds
        self._started = None
