"""What one run is and how far it got: the `run/` folder beside the model it trains."""

import json
from typing import Any

import tensorflow as tf

from keras_mlm.config import FORMAT_VERSION, dump_json
from keras_mlm.errors import InputError
from keras_mlm.settings import settings_difference
from keras_mlm.training.provenance import provenance
from keras_mlm.whole_file import write_whole

# What stands in run.json beside the settings and tells nothing about what is learned.
_NOTES = ("format_version", "versions", "starts", "metrics")


class RunFolder:
    """The folder `run/` in a model folder: `run.json`, checkpoints, samples and TensorBoard logs.

    `run.json` holds the settings, seeds among them, and under `starts` how each process of the run was started:
    command, directory, versions, commit, devices and environment. That is enough to repeat it.

    Args:
        output: str, the model folder, local or remote; it need not exist.

    Attributes:
        path, checkpoints, logs, samples: str, the folder, two folders and a file in it.

    Example:
        ```python
        run = RunFolder("saved_models/news")
        settings = {"model": config.to_dict(), "pretraining": training.to_dict()}
        if run.find(settings) is None:
            run.begin(settings)
            ...  # train, save the model
            run.finish(metrics)
        ```
    """

    def __init__(self, output: str) -> None:
        self.output = output
        self.path = tf.io.gfile.join(output, "run")
        self.checkpoints = tf.io.gfile.join(self.path, "checkpoints")
        self.logs = tf.io.gfile.join(self.path, "logs")
        self.samples = tf.io.gfile.join(self.path, "samples.jsonl")
        self._file = tf.io.gfile.join(self.path, "run.json")

    def find(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Look for a run that the same settings started; write nothing.

        Args:
            settings: dict of plain data, everything that decides what is learned.

        Returns:
            The metrics of a finished run; `None` if there is something left to do.

        Raises:
            InputError: the folder holds what another run has learned, or a model without a run.
        """
        saved = tf.io.gfile.exists(tf.io.gfile.join(self.output, "config.json"))
        if not tf.io.gfile.exists(self._file):
            if saved:
                raise InputError(f"{self.output} holds a model that was not trained there: choose another --output")
            return None
        stored = self._read()
        metrics = stored.get("metrics")
        difference = settings_difference(_settings_of(stored), settings)
        if difference and (saved or self._has_checkpoints()):
            raise InputError(
                f"{self.output} holds a run with other settings: {difference}; give the same, choose another "
                "--output, or remove the folder"
            )
        # Without its model a finished run has to be saved again, from the last checkpoint.
        return metrics if saved else None

    def settings(self) -> dict[str, Any]:
        """Return the settings that the run was begun with; empty if there is none."""
        return _settings_of(self._read()) if tf.io.gfile.exists(self._file) else {}

    def begin(self, settings: dict[str, Any]) -> None:
        """Note what the run is and how this process was started, before its first step."""
        stored = self._read() if tf.io.gfile.exists(self._file) else {}
        # Settings that nothing has been learned with yet may be replaced; how they were started means nothing then.
        same = not settings_difference(_settings_of(stored), settings)
        self._write({**settings, "starts": [*(stored.get("starts", []) if same else []), provenance()]})

    def keep(self, name: str, data: dict[str, Any]) -> None:
        """Keep something for the run's report in `NAME.json`; it decides nothing.

        Args:
            name: str, `"data"`: what is learned from, in numbers; or `"answers"`: what a fine-tuned model gets wrong.
            data: dict of plain data.
        """
        self._write(data, f"{name}.json")

    def finish(self, metrics: dict[str, Any]) -> None:
        """Note that the run has ended and what came out."""
        self._write({**self._read(), "metrics": metrics})

    def _read(self) -> dict[str, Any]:
        try:
            with tf.io.gfile.GFile(self._file) as file:
                stored = json.loads(file.read())
            if stored["format_version"] > FORMAT_VERSION:
                raise InputError(f"{self._file} was written by a later version of keras_mlm: update keras_mlm")
            return dict(stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self._file} is damaged ({error}): choose another --output or remove it") from error

    def _has_checkpoints(self) -> bool:
        return tf.io.gfile.isdir(self.checkpoints) and bool(tf.io.gfile.listdir(self.checkpoints))

    def _write(self, data: dict[str, Any], name: str = "run.json") -> None:
        tf.io.gfile.makedirs(self.path)
        write_whole(tf.io.gfile.join(self.path, name), dump_json({**data, "format_version": FORMAT_VERSION}))


def _settings_of(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name not in _NOTES}
