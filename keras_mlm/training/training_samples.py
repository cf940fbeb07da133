"""Keeps what the model puts in the place of masks while it trains, to be read by people and by reports."""

import dataclasses
import json
import logging
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.training.event_file import EventFile
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.whole_file import write_whole

logger = logging.getLogger(__name__)

TAG = "filled_masks"


class TrainingSamples(keras.callbacks.Callback):
    """Fill the same masked sentences every few steps: a table in TensorBoard, a line of JSON in a file.

    A line is `{"step": 500, "seconds": 61.2, "samples": [{"text": "A [MASK] .", "answer": "cat", "candidates":
    [{"token": "dog", "score": 0.2}, …]}, …]}`, the most probable candidate first. The file is written aside and
    renamed, so it is always whole; a run that goes on from a checkpoint replaces the lines of the steps that it takes
    again. Where it cannot be written, training goes on and the log says so.

    Args:
        path: str, local or remote, the file of JSON lines.
        logs: str, the folder of TensorBoard's logs; the tag is `filled_masks`, in `held_out`.
        budget: `TrainingBudget` of the same `fit`, which stands before this callback in the list.
        questions: sequence of (text with one `[MASK]`, word that stood there), such as `cloze_questions` returns.
        every_steps: int, steps between samples; the last step has one, too. Defaults to `500`.
        top_k: int, candidates a mask. Defaults to `5`.

    Example:
        ```python
        questions = cloze_questions(model.tokenizer, "data/news", sentences=8)
        samples = TrainingSamples("run/samples.jsonl", "run/logs", budget, questions)
        model.fit(batches, callbacks=[budget, samples])
        ```
    """

    def __init__(
        self,
        path: str,
        logs: str,
        budget: TrainingBudget,
        questions: Sequence[tuple[str, str]],
        *,
        every_steps: int = 500,
        top_k: int = 5,
    ) -> None:
        super().__init__()
        self.path = path
        self.budget = budget
        self.questions = list(questions)
        self.every_steps = every_steps
        self.top_k = top_k
        self._lines: list[dict[str, Any]] = []
        self._file = EventFile(tf.io.gfile.join(logs, "held_out"), "samples")

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Read what earlier starts of the run have written."""
        self._lines = read_samples(self.path)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Fill the masks where it is time."""
        if self.budget.step % self.every_steps == 0:
            self._sample()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Fill them once more with what was learned, unless that was the last step's."""
        if not self._lines or self._lines[-1]["step"] != self.budget.step:
            self._sample()
        self._file.close()

    def _sample(self) -> None:
        if not self.questions:
            return
        answers = self.model.fill_mask([text for text, _ in self.questions], top_k=self.top_k)
        samples: list[dict[str, Any]] = [
            {"text": text, "answer": answer, "candidates": [dataclasses.asdict(candidate) for candidate in masks[0]]}
            for (text, answer), masks in zip(self.questions, answers, strict=True)
        ]
        if not all(math.isfinite(candidate["score"]) for sample in samples for candidate in sample["candidates"]):
            return  # weights that TrainingCheckpoint is about to throw away
        step = self.budget.step
        line = {"step": step, "seconds": round(self.budget.seconds, 1), "samples": samples}
        self._lines = [before for before in self._lines if before["step"] < step] + [line]
        lines = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in self._lines)
        try:
            write_whole(self.path, lines)
        except (OSError, tf.errors.OpError) as error:
            logger.warning("samples of step %d are not written (%s): training goes on", step, error)
            return
        self._file.write(step, lambda: tf.summary.text(TAG, _markdown(samples)))


def read_samples(path: str) -> list[dict[str, Any]]:
    """Return the lines that `TrainingSamples` wrote, in the order of their steps; none where there is no file.

    Args:
        path: str, `run/samples.jsonl` of a model folder.

    Returns:
        A list of dicts, see `TrainingSamples`.

    Raises:
        InputError: the file holds something else.

    Example:
        ```python
        for line in read_samples("saved_models/news/run/samples.jsonl"):
            print(line["step"], line["samples"][0]["candidates"][0]["token"])
        ```
    """
    if not tf.io.gfile.exists(path):
        return []
    with tf.io.gfile.GFile(path) as file:
        lines = file.read().split("\n")[:-1]
    try:
        found = [json.loads(line) for line in lines]
        return sorted(found, key=lambda line: int(line["step"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds other lines than a run's samples ({error}): remove it") from error


def _markdown(samples: list[dict[str, Any]]) -> str:
    """Return a table of sentences, what stood there, and the candidates, the right one in bold."""
    rows = ["| sentence | was | candidates |", "|---|---|---|"]
    for sample in samples:
        shown = []
        for candidate in sample["candidates"]:
            bold = "**" if candidate["token"] == sample["answer"] else ""
            shown.append(f"{bold}{_cell(candidate['token'])}{bold} {candidate['score']:.0%}")
        rows.append(f"| {_cell(sample['text'])} | {_cell(sample['answer'])} | {', '.join(shown)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    """Return text that says in a table of markdown what it says outside."""
    return "".join("\\" + character if character in "\\`*_[]|<>#" else character for character in text)
