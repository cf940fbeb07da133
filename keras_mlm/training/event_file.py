import logging
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

logger = logging.getLogger(__name__)


class EventFile:
    """A file of TensorBoard's that callbacks add points to; where it cannot be written, training goes on.

    Args:
        folder: str, local or remote folder of event files. The file is made with the first point, unless opened before.
        what: str, what is written, for the warning in the log.

    Example:
        ```python
        file = EventFile("run/logs/train", "curves")
        file.scalars(100, {"loss": 4.2})
        file.close()
        ```
    """

    def __init__(self, folder: str, what: str) -> None:
        self.folder = folder
        self.what = what
        self._writer: Any = None

    def open(self) -> None:
        """Make the file now, if it is not open."""
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self.folder)

    def scalars(self, step: int, points: Mapping[str, Any]) -> None:
        """Add the points of a step."""

        def add() -> None:
            for name, value in points.items():
                tf.summary.scalar(name, value)

        self.write(step, add)

    def write(self, step: int, add: Callable[[], Any]) -> None:
        """Call `add`, which writes what belongs to a step with `tf.summary`, and bring it to the disk.

        Args:
            step: int.
            add: callable without arguments.
        """
        try:
            self.open()
            with self._writer.as_default(step=step):
                add()
            self._writer.flush()
        except tf.errors.OpError as error:  # a full disk is no reason to stop
            logger.warning("%s of step %d are not written (%s): training goes on", self.what, step, error)

    def close(self) -> None:
        """Close the file; a point after that begins another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
