"""The confusion matrix as a picture."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.evaluation.classifier_report import EXTRA
from keras_mlm.visualize.fonts import chinese_fonts

logger = logging.getLogger(__name__)


def save_confusion_picture(path: str, classes: Sequence[str], truth: np.ndarray, answers: np.ndarray) -> None:
    """Draw how often each class (rows) was taken for each (columns), and write it as PNG.

    Colour is the share of the row; a number stands where there is any. Names that the fonts of this machine lack are
    replaced by the numbers of their classes.

    Args:
        path: str, local or remote file.
        classes: sequence of str, names of the classes.
        truth: int `(texts,)`, class numbers.
        answers: int `(texts,)`, class numbers.

    Raises:
        InputError: matplotlib is not installed.

    Example:
        ```python
        save_confusion_picture("confusion.png", model.classes, truth, logits.argmax(axis=1))
        ```
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(EXTRA) from None

    count = len(classes)
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (truth, answers), 1)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names, family = _names(classes)

    # A cell is wide enough for two digits; few classes get larger ones.
    cell = 0.19 if count > 30 else 0.5
    size = 6.0 if count > 30 else 10.0
    longest = max(map(len, names)) * size * (1.0 if family else 0.62) / 72
    side = max(2.0, count * cell)
    figure = Figure(figsize=(side + longest + 0.9, side + longest + 0.7), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    text: dict[str, Any] = {"fontsize": size, **({"family": family} if family else {})}
    axes.set_xticks(range(count), names, rotation=90, **text)
    axes.set_yticks(range(count), names, **text)
    axes.xaxis.tick_top()
    axes.set_xlabel(f"answer ({int(np.trace(matrix)):,} of {len(truth):,} right)", fontsize=size + 2)
    axes.set_ylabel("label", fontsize=size + 2)
    axes.set_xticks(np.arange(-0.5, count), minor=True)
    axes.set_yticks(np.arange(-0.5, count), minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    for row, column in zip(*np.nonzero(matrix), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black" if row == column else "firebrick"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=size - 1)
    with tf.io.gfile.GFile(path, "wb") as file:
        figure.savefig(file, format="png")


def _names(classes: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Return the names to write, and the fonts for them where the usual one is not enough."""
    names = [name if len(name) <= 48 else name[:47] + "…" for name in classes]
    if all(ord(character) < 0x2E80 for name in names for character in name):
        return names, None
    families = chinese_fonts()
    if families:
        return names, families
    logger.warning("no font here has the classes' characters: the picture has their numbers, in the order of the model")
    return [str(number) for number in range(len(names))], None
