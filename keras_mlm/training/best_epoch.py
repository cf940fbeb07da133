from collections.abc import Callable
from typing import Any

import keras


class BestEpoch(keras.callbacks.Callback):
    """Score the model after every epoch, keep the best epoch's weights, and stop when no better one comes.

    The scores go into the logs of `fit` as `val_` and their name. Unlike `validation_data` they may be what is no mean
    over rows: texts of several windows, entities, F1. Unlike `keras.callbacks.EarlyStopping`, of two epochs with one
    score that with the lower `loss`, where there is one, is the better: on a small dev set equal scores are common, and
    the first of them is from a model that has hardly begun.

    Args:
        score: callable without arguments that returns a dict of str to float.
        best_by: str, the score that the best epoch has the most of.
        patience: int, epochs without a better one after which `fit` stops.

    Example:
        ```python
        score = lambda: classifier_scores(truth, model.predictions(model.text_logits(rows)).probabilities)
        model.fit(batches, epochs=20, callbacks=[BestEpoch(score, "accuracy", patience=4)])
        ```
    """

    def __init__(self, score: Callable[[], dict[str, float]], best_by: str, patience: int) -> None:
        super().__init__()
        self.score = score
        self.best_by = best_by
        self.patience = patience
        self.epoch = -1
        self._best: tuple[float, float] | None = None
        self._weights: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the scores to the epoch's logs, and keep the weights or stop."""
        scores = self.score()
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in scores.items()})
        found = (scores[self.best_by], -scores.get("loss", 0.0))
        if self._best is None or found > self._best:
            self.epoch, self._best, self._weights = epoch, found, self.model.get_weights()
        elif epoch - self.epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the model the weights of its best epoch."""
        if self._weights is not None:
            self.model.set_weights(self._weights)
