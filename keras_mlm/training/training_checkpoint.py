"""Keeps a run on disk so that a killed one goes on where it was, to the bit."""

import logging
import math
import re
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.config import FORMAT_VERSION
from keras_mlm.errors import InputError, Interrupted, RunError
from keras_mlm.settings import settings_difference
from keras_mlm.training.checkpoint_file import DamagedCheckpoint, read_checkpoint, write_checkpoint
from keras_mlm.training.loss_watch import LossWatch
from keras_mlm.training.training_budget import TrainingBudget

logger = logging.getLogger(__name__)

# After so many reloads without a new checkpoint between them, the batches are not what is wrong.
GIVE_UP = 3

_MORE = "more"
_NAME = re.compile(r"step-(\d+)\.npz")
_LEFTOVER = re.compile(r"step-(\d+)\.npz\.partial")


class TrainingCheckpoint(keras.callbacks.Callback):
    """Write checkpoints between steps, and restore the newest that is whole.

    A checkpoint holds all variables of the model (the states of its random generators too) and of the optimizer, what
    of the budget is used and the place in the data. With the same batches from the returned place on, under
    `tf.config.experimental.enable_op_determinism`, a run that was killed ends with the same bits as one that was not.

    After Ctrl-C or SIGTERM, on any of several workers, all of them finish the running step, the chief writes a
    checkpoint, and `fit` ends in `Interrupted`; a second Ctrl-C stops at once. Where a checkpoint cannot be written,
    training goes on and the log says so. Where the loss of a step is no finite number or far above those before, the
    newest checkpoint is loaded again and the batches since then are left out; the third time in a row without a new
    checkpoint `fit` ends in `RunError`.

    Args:
        folder: str, local or remote, where `step-NNNNNNNN.npz` are written; made if absent. All workers read it.
        budget: `TrainingBudget` of the same `fit`, which stands before this callback in the list.
        settings: dict of plain data; a checkpoint of other settings is refused. Defaults to `None`, nothing.
        every_seconds: float, time between checkpoints. Defaults to `120`.
        keep: int, how many of the newest stay, beside the one with the lowest loss. Defaults to `2`.
        more: sequence of variables that are no model's, such as those of `AdaptiveMasking`, kept as well. They stay as
            they are after a bad step: batches that are made already were made by them. Defaults to `()`.

    Example:
        ```python
        checkpoint = TrainingCheckpoint("run/checkpoints", budget)
        place = checkpoint.resume(model)
        model.fit(dataset.batches(start_step=place), callbacks=[budget, checkpoint])
        ```
    """

    def __init__(
        self,
        folder: str,
        budget: TrainingBudget,
        *,
        settings: dict[str, Any] | None = None,
        every_seconds: float = 120.0,
        keep: int = 2,
        more: Sequence[Any] = (),
    ) -> None:
        super().__init__()
        self.folder = folder
        self.budget = budget
        self.settings = settings or {}
        self.every_seconds = every_seconds
        self.keep = keep
        self.more = tuple(more)
        self._workers = budget.workers
        self._watch = LossWatch()
        self._reloads = 0
        self._loss: float | None = None
        self._best: dict[str, Any] | None = None
        self._saved_step: int | None = None
        self._next = 0.0
        self._handlers: dict[int, Any] = {}

    def resume(self, model: keras.Model) -> int:
        """Restore the newest whole checkpoint into a model and its optimizer, and the budget.

        Args:
            model: keras.Model, built and compiled.

        Returns:
            int, the batch to go on with; 0 without a checkpoint.

        Raises:
            InputError: the checkpoint belongs to other settings or to another model, or none of them can be read.
            RunError: the workers do not find the same checkpoint.
        """
        state = self._restore(model, resuming=True)
        if self._workers.is_chief:
            self._remove_leftovers()
        if state is not None:
            self.budget.restore(state["budget"])
            self._saved_step = self.budget.step
        self._workers.must_match(self.budget.position, f"the same checkpoint in {self.folder}")
        return self.budget.position

    def save(self) -> bool:
        """Write a checkpoint of this moment now; return whether it could be written, on the chief."""
        name = f"step-{self.budget.step:08d}.npz"
        # Every worker reads its variables, since reading some of them asks the others; the chief's are kept.
        arrays = {name: _to_numpy(variable) for name, variable in self._variables(self.model).items()}
        if not self._workers.is_chief:
            self._saved_step = self.budget.step
            return True
        best = self._best
        if self._loss is not None and (best is None or self._loss <= best["loss"]):
            best = {"name": name, "loss": self._loss}
        state = {
            "format_version": FORMAT_VERSION,
            "settings": self.settings,
            "budget": self.budget.state(),
            "best": best,
        }
        try:
            tf.io.gfile.makedirs(self.folder)
            write_checkpoint(tf.io.gfile.join(self.folder, name), arrays, state)
            for old in self._names()[: -self.keep]:
                if best is None or old != best["name"]:
                    tf.io.gfile.remove(tf.io.gfile.join(self.folder, old))
        except (OSError, tf.errors.OpError) as error:
            kept = "there is none yet" if self._saved_step is None else f"the one of step {self._saved_step} stays"
            logger.error("CHECKPOINT NOT WRITTEN at step %d (%s): training goes on, %s", self.budget.step, error, kept)
            return False
        self._saved_step, self._best = self.budget.step, best
        return True

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Listen to Ctrl-C and SIGTERM."""
        self._next = self._workers.now() + self.every_seconds
        self._workers.stopping = self._workers.stop = False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler: Any = signal.signal(number, self._on_signal)
                # Keras tells callbacks nothing when `fit` raises: what such a run left listening is passed over.
                left = getattr(handler, "__self__", None)
                if isinstance(left, TrainingCheckpoint):
                    handler = left._handlers.pop(number, signal.SIG_DFL)
                self._handlers[number] = handler

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Write a checkpoint when it is time, go back to the last after a bad step, or stop after a signal."""
        logs = logs or {}
        loss = float(logs.get("step_loss", logs.get("loss", 0.0)))
        problem = self._watch.problem(loss)
        # The weights are gone one step before the loss is; only a scaled loss overflows now and then by design.
        scaled = isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)
        if not scaled and not math.isfinite(float(logs.get("gradient_norm", 0.0))):
            problem = problem or "has no finite gradient"
        if problem:
            self._go_back(problem)
        elif self._workers.stop:
            self.model.stop_training = True
        elif self._workers.now() >= self._next:
            self._reloads = 0
            self._loss = float(logs["loss"]) if "loss" in logs else None
            self.save()
            self._next = self._workers.now() + self.every_seconds

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Write the last checkpoint; after a signal, raise `Interrupted`."""
        self._restore_signals()
        if self._saved_step != self.budget.step:
            self.save()
        if self._workers.stop and not self.budget.used_up:
            step = "no step" if self._saved_step is None else f"step {self._saved_step:,}"
            raise Interrupted(f"{step} is saved in {self.folder}; the same command again continues from there")

    def _go_back(self, problem: str) -> None:
        """Load the newest checkpoint and leave out the batches since then."""
        step, self._reloads = self.budget.step, self._reloads + 1
        # What has been saved must be there for every worker before one of them reads.
        state = self._restore(self.model, resuming=False) if self._reloads < GIVE_UP else None
        if state is None:
            self._restore_signals()
            raise RunError(
                f"the loss {problem} at step {step:,}, "
                + (f"{GIVE_UP} times in a row" if self._reloads >= GIVE_UP else "and there is no checkpoint yet")
                + ": start a run with a lower learning rate or a longer warm-up"
            )
        self.budget.skip_to(int(state["budget"]["step"]))
        self._workers.must_match(self.budget.position, f"the same checkpoint in {self.folder}")
        self._watch.forget()
        self.model.reset_metrics()
        logger.warning(
            "THE LOSS %s at step %d: back to the checkpoint of step %d, %d batches are left out in all",
            problem, step, self.budget.step, self.budget.skipped,
        )  # fmt: skip
        self.save()  # so that a run that is killed now does not meet the same batches again

    def _restore(self, model: keras.Model, *, resuming: bool) -> dict[str, Any] | None:
        names = self._names()
        for name in reversed(names):
            try:
                arrays, state = read_checkpoint(tf.io.gfile.join(self.folder, name))
            except DamagedCheckpoint as error:
                logger.warning("a checkpoint is damaged and left out: %s", error)
                continue
            self._check(name, state)
            self._assign(name, self._variables(model), arrays, resuming=resuming)
            self._best = state.get("best")
            return state
        if names:
            raise InputError(f"no checkpoint in {self.folder} can be read: remove the folder to start anew")
        return None

    def _remove_leftovers(self) -> None:
        """Remove what a process that was killed while it wrote has left: nobody reads it, and it is large."""
        for name in self._files(_LEFTOVER):
            tf.io.gfile.remove(tf.io.gfile.join(self.folder, name))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._workers.stopping = True
        self._restore_signals()
        logger.warning("stopping after this step; Ctrl-C again stops at once")

    def _restore_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _names(self) -> list[str]:
        """Return the checkpoints' names, the oldest first."""
        return sorted(self._files(_NAME), key=lambda name: int(name[5:-4]))

    def _files(self, pattern: re.Pattern[str]) -> list[str]:
        if not tf.io.gfile.isdir(self.folder):
            return []
        names = (name.rstrip("/") for name in tf.io.gfile.listdir(self.folder))
        return [name for name in names if pattern.fullmatch(name)]

    def _check(self, name: str, state: dict[str, Any]) -> None:
        if state["format_version"] > FORMAT_VERSION:
            raise InputError(f"{self.folder}/{name} was written by a later version of keras_mlm: update keras_mlm")
        difference = settings_difference(state["settings"], self.settings)
        if difference:
            raise InputError(f"{self.folder}/{name} belongs to a run with other settings: {difference}")

    def _assign(self, name: str, variables: dict[str, Any], arrays: dict[str, np.ndarray], *, resuming: bool) -> None:
        fits = variables.keys() == arrays.keys() and all(
            tuple(variable.shape) == arrays[key].shape for key, variable in variables.items()
        )
        if not fits:
            raise InputError(f"{self.folder}/{name} belongs to another model or optimizer")
        for key, variable in variables.items():
            if resuming or not key.startswith(_MORE):
                variable.assign(arrays[key])

    def _variables(self, model: keras.Model) -> dict[str, Any]:
        """Return all variables, by their order: names change when a model is built twice."""
        if not model.built:
            raise ValueError("build the model before its checkpoints are read: call it on one batch")
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        groups = {"model": model.variables, "optimizer": model.optimizer.variables, _MORE: self.more}
        return {f"{group}-{index:04d}": v for group, variables in groups.items() for index, v in enumerate(variables)}


def _to_numpy(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))
