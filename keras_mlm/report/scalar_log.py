"""Reads back the scalars that TensorBoard draws."""

import logging

import tensorflow as tf
from tensorflow.core.util import event_pb2

logger = logging.getLogger(__name__)


def read_scalars(folder: str) -> dict[str, list[tuple[float, float]]]:
    """Return the scalars in a folder of event files, such as `run/logs/train`.

    A run that goes on from a checkpoint takes some steps again: what was logged of them before is left out. A file
    that a killed process left cut short is read to where it ends.

    Args:
        folder: str, local or remote; it need not exist.

    Returns:
        A dict from tag to a list of (step, value), steps rising.

    Example:
        ```python
        read_scalars("saved_models/news/run/logs/train")["learning_rate"][-1]  # (4000, 1.2e-06)
        ```
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    if not tf.io.gfile.isdir(folder):
        return curves
    # Their names begin with the time at which they were begun.
    for name in sorted(name for name in tf.io.gfile.listdir(folder) if ".tfevents." in name):
        begun: set[str] = set()
        for step, tag, value in _scalars_of(tf.io.gfile.join(folder, name)):
            points = curves.setdefault(tag, [])
            if tag not in begun:
                begun.add(tag)
                points[:] = [point for point in points if point[0] < step]
            points.append((step, value))
    return curves


def _scalars_of(path: str) -> list[tuple[float, str, float]]:
    found = []
    try:
        for record in tf.data.TFRecordDataset(path):
            event = event_pb2.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    found.append((float(event.step), value.tag, float(tf.make_ndarray(value.tensor))))
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        logger.debug("%s ends early: %s", path, error)
    return found
