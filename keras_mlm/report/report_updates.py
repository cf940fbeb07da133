"""Keeps `report.html` fresh while a model trains."""

import logging
import time

import keras

from keras_mlm.report.run_report import write_report

logger = logging.getLogger(__name__)

# Writing takes at most this share of the time.
_SHARE = 0.01


class ReportUpdates(keras.callbacks.Callback):
    """Write a model folder's report when training begins and then about once a minute.

    Where it cannot be written, training goes on and the log says so.

    Args:
        folder: str, the model folder, whose run has begun.
        samples: bool, whether sentences are shown. Defaults to `True`.
        every_seconds: float, time between reports; more where a report takes long. Defaults to `60`.

    Example:
        ```python
        model.fit(batches, callbacks=[budget, TrainingCurves("run/logs", budget, 4000.0), ReportUpdates("model")])
        write_report("model")
        ```
    """

    def __init__(self, folder: str, *, samples: bool = True, every_seconds: float = 60.0) -> None:
        super().__init__()
        self.folder = folder
        self.samples = samples
        self.every_seconds = every_seconds
        self._next = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Write the page, so that it can be opened at once."""
        self._write()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Write it again where it is time."""
        if time.monotonic() >= self._next:
            self._write()

    def _write(self) -> None:
        begun = time.monotonic()
        try:
            write_report(self.folder, samples=self.samples, running=True)
        except Exception as error:  # whatever it is, hours of training are worth more
            logger.warning("the report is not written (%s): training goes on", error)
        now = time.monotonic()
        self._next = now + max(self.every_seconds, (now - begun) / _SHARE)
