"""What a model folder tells about the run that made it; what is torn or damaged is left out and said."""

import dataclasses
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.report.scalar_log import read_scalars

REPORT = "report.html"
# What the files of a model folder are, in the order in which they are worth opening.
_KNOWN = {
    "README.md": "the model card",
    "metrics.json": "all figures",
    "config.json": "the architecture",
    "vocab.txt": "the vocabulary",
    "tokenizer.json": "how text becomes tokens",
    "model.weights.h5": "the weights",
    "confusion.png": "the confusions as a picture",
    "run/run.json": "settings and starts of the run",
    "run/samples.jsonl": "masked sentences and what was filled in",
    "run/answers.json": "classes, confusions and errors",
    "run/logs": "event files: tensorboard --logdir run/logs",
    "run/checkpoints": "where a stopped run goes on",
}


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """One run, as its folder shows it.

    Args:
        name: str, the folder's name.
        config: dict, `config.json`; empty before the model is saved.
        run: dict, `run/run.json`: settings, `starts`, and `metrics` of a finished run.
        metrics: dict, `metrics.json`.
        data: dict, `run/data.json`: what was learned from, in numbers.
        answers: dict, `run/answers.json` of a fine-tuned model: `classes`, `confusion`, `table`, `errors`.
        samples: list of dicts, lines of `run/samples.jsonl`.
        train, held_out: dicts from tag to points, curves of the latest start.
        curves_of: str, which of several seeds the curves are of; empty for the only one.
        artefacts: list of (path inside the folder, what it is, bytes or `None`).
        notes: list of str, what could not be read.
        time: str, when it was read, UTC.
    """

    name: str
    config: dict[str, Any]
    run: dict[str, Any]
    metrics: dict[str, Any]
    data: dict[str, Any]
    answers: dict[str, Any]
    samples: list[dict[str, Any]]
    train: dict[str, list[tuple[float, float]]]
    held_out: dict[str, list[tuple[float, float]]]
    curves_of: str
    artefacts: list[tuple[str, str, int | None]]
    notes: list[str]
    time: str

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end and its model is there."""
        return bool(self.config) and ("metrics" in self.run or not self.run)

    @property
    def step(self) -> int:
        """The last step that anything in the folder knows of."""
        ends = [points[-1][0] for points in self.train.values() if points]
        steps = self.metrics.get("steps")
        return max([steps if isinstance(steps, int) else 0, *map(int, ends)])

    @classmethod
    def read(cls, folder: str) -> "RunRecord":
        """Read a model folder, of a finished, running or interrupted run.

        Args:
            folder: str, local or remote.

        Returns:
            A `RunRecord`.

        Raises:
            InputError: it holds neither a model nor a run.
        """
        join = tf.io.gfile.join
        notes: list[str] = []

        def entries(*path: str) -> dict[str, Any]:
            return _object(join(folder, *path), notes)

        config, run = entries("config.json"), entries("run", "run.json")
        if not config and not run:
            said = f" ({'; '.join(notes)})" if notes else ""
            raise InputError(f"{folder} holds no config.json and no run/run.json: it is no model folder{said}")
        logs = join(folder, "run", "logs")
        seeds = sorted(_listed(logs, r"seed-\d+/?"), key=lambda name: int(name.split("-")[1]))
        if seeds:
            logs = join(logs, seeds[-1])
        return cls(
            name=Path(folder).absolute().name,
            config=config,
            run=run,
            metrics=entries("metrics.json"),
            data=entries("run", "data.json"),
            answers=entries("run", "answers.json"),
            samples=_samples(join(folder, "run", "samples.jsonl"), notes),
            train=read_scalars(join(logs, "train")),
            held_out=read_scalars(join(logs, "held_out")),
            curves_of=seeds[-1].replace("-", " ") if len(seeds) > 1 else "",
            artefacts=_artefacts(folder),
            notes=notes,
            time=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        )


def _read(path: str, notes: list[str]) -> str:
    try:
        if not tf.io.gfile.exists(path):
            return ""
        with tf.io.gfile.GFile(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except (OSError, tf.errors.OpError) as error:
        notes.append(f"{os.path.basename(path)} could not be read: {error}")  # noqa: PTH119
        return ""


def _object(path: str, notes: list[str]) -> dict[str, Any]:
    text = _read(path, notes)
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        notes.append(f"{path.rsplit('/', 1)[-1]} is damaged and left out")
        return {}
    return found


def _samples(path: str, notes: list[str]) -> list[dict[str, Any]]:
    lines = []
    for number, line in enumerate(_read(path, notes).split("\n"), 1):
        try:
            if line:
                lines.append(_sample(json.loads(line)))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            notes.append(f"samples.jsonl line {number} is damaged and left out")
    return sorted(lines, key=lambda line: line["step"])


def _sample(line: Any) -> dict[str, Any]:
    return {
        "step": int(line["step"]),
        "samples": [
            {
                "text": str(sample["text"]),
                "answer": str(sample["answer"]),
                "candidates": [(str(found["token"]), float(found["score"])) for found in sample["candidates"]],
            }
            for sample in line["samples"]
        ],
    }


def _listed(folder: str, pattern: str) -> list[str]:
    if not tf.io.gfile.isdir(folder):
        return []
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder) if re.fullmatch(pattern, name)]


def _artefacts(folder: str) -> list[tuple[str, str, int | None]]:
    found: list[tuple[str, str, int | None]] = []
    exports = dict.fromkeys(sorted(_listed(folder, r"\d+/?"), key=int), "an export")
    others = sorted(set(_listed(folder, r"[^.].*")) - set(_KNOWN) - set(exports) - {REPORT, "run"})
    for name, what in (*_KNOWN.items(), *exports.items(), *((name, "") for name in others)):
        path = tf.io.gfile.join(folder, name)
        if tf.io.gfile.exists(path):
            found.append((name, what, None if tf.io.gfile.isdir(path) else tf.io.gfile.stat(path).length))
    return found
