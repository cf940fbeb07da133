import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.config import dump_json
from keras_mlm.data.progress import progress_bar
from keras_mlm.errors import InputError
from keras_mlm.settings import settings_difference
from keras_mlm.text_table import text_table
from keras_mlm.whole_file import write_whole

logger = logging.getLogger(__name__)


class Cells:
    """What systems came to with each seed, in a JSON file that is written after every one: finished cells are skipped.

    Args:
        path: str, the file, local or remote; made if absent, and its folder too.
        settings: dict of plain data, everything that decides what comes out; a file of other settings is refused.

    Raises:
        InputError: the file is of other settings, or no file of cells.

    Example:
        ```python
        cells = Cells("baselines.json", {"train": "train.tsv"})
        cells.run([("svm", 0)], lambda name, seed: {"accuracy": 0.87})
        print(cells.table())
        ```
    """

    def __init__(self, path: str, settings: dict[str, Any]) -> None:
        self.path = path
        self.settings = settings
        self.cells: dict[str, dict[str, dict[str, float]]] = {}
        if tf.io.gfile.exists(path):
            try:
                with tf.io.gfile.GFile(path) as file:
                    stored = json.loads(file.read())
                before, self.cells = stored["settings"], stored["cells"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path} is no file of baselines ({error}): choose another --results") from None
            difference = settings_difference(before, settings)
            if difference:
                raise InputError(f"{path} has cells of other settings: {difference}; choose another --results")

    def run(self, wanted: Iterable[tuple[str, int]], measure: Callable[[str, int], dict[str, float]]) -> None:
        """Measure the cells that are not there yet.

        Args:
            wanted: iterable of names and seeds.
            measure: callable that takes both and returns figures.
        """
        left = [(name, seed) for name, seed in wanted if str(seed) not in self.cells.get(name, {})]
        folder = self.path.rpartition("/")[0]
        if folder:  # before the first is measured, not when it is to be kept
            tf.io.gfile.makedirs(folder)
        with progress_bar("Baselines", len(left), "cells") as bar:
            for name, seed in left:
                started = time.monotonic()
                figures = measure(name, seed)
                self.cells.setdefault(name, {})[str(seed)] = figures
                self._write()
                shown = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
                logger.info("%s, seed %d: %s; %.0f s in all", name, seed, shown, time.monotonic() - started)
                bar.update(1)

    def table(self, order: Sequence[str] = ()) -> str:
        """Return the means over seeds as a table, with the deviation of the first figure."""
        names = [name for name in (*order, *self.cells) if name in self.cells]
        rows: list[list[Any]] = []
        for name in dict.fromkeys(names):
            seeds = list(self.cells[name].values())
            columns = {figure: [seed[figure] for seed in seeds] for figure in seeds[0]}
            (first, scores), *others = columns.items()
            deviation = f"{np.std(scores, ddof=1):.4f}" if len(seeds) > 1 else ""
            rows.append(
                [name, f"{np.mean(scores):.4f}", deviation, len(seeds), *(float(np.mean(v)) for _, v in others)]
            )
        if not rows:
            return ""
        return text_table(["system", first, "±", "seeds", *(figure for figure, _ in others)], rows)

    def _write(self) -> None:
        write_whole(self.path, dump_json({"settings": self.settings, "cells": self.cells}))
