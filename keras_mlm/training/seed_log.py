import json
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.config import dump_json
from keras_mlm.training.run_folder import RunFolder
from keras_mlm.whole_file import write_whole


class SeedLog:
    """What the seeds of one fine-tuning came to, kept in the run's folder: a stopped run goes on with the next seed.

    Args:
        run: `RunFolder`, begun with the settings of the run.
        best_by: str, the figure that the best seed has the most of.

    Example:
        ```python
        log = SeedLog(run, "dev_accuracy")
        for seed in range(len(log.figures), seeds):
            ...  # train
            if log.is_best(figures):
                save_model(model, output)
            log.add(figures)
        metrics = log.means()
        ```
    """

    def __init__(self, run: RunFolder, best_by: str) -> None:
        self.best_by = best_by
        self.figures: list[dict[str, float]] = []
        self._folder = run.path
        self._file = tf.io.gfile.join(run.path, "seeds.json")
        if tf.io.gfile.exists(self._file):
            with tf.io.gfile.GFile(self._file) as file:
                self.figures = json.loads(file.read())["seeds"]

    def is_best(self, figures: dict[str, float]) -> bool:
        """Return whether no seed so far has more."""
        return all(figures[self.best_by] > seen[self.best_by] for seen in self.figures)

    def add(self, figures: dict[str, float]) -> None:
        """Keep the figures of the seed that has just been trained."""
        self.figures.append(figures)
        tf.io.gfile.makedirs(self._folder)
        write_whole(self._file, dump_json({"seeds": self.figures}))

    def means(self) -> dict[str, Any]:
        """Return the mean of every figure and, of several seeds, as `_deviation` how far they lie apart."""
        columns = {name: [figures[name] for figures in self.figures] for name in self.figures[0]}
        means: dict[str, Any] = {name: float(np.mean(values)) for name, values in columns.items()}
        if len(self.figures) > 1:
            means |= {f"{name}_deviation": float(np.std(values, ddof=1)) for name, values in columns.items()}
        return means
