"""Masks more often what the model finds hard."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.training.token_accuracy import TokenAccuracy
from keras_mlm.training.training_budget import TrainingBudget

if TYPE_CHECKING:
    from keras_mlm.data.token_weights import TokenWeights

# What was counted is worth half as much a block later: the model has changed.
_KEPT = 0.5
# A type's accuracy is that of this many tokens of mean accuracy and of those seen, so that few do not decide.
_PRIOR = 10.0
# What is always guessed right is still masked a tenth as often as what never is: else it would be forgotten unseen.
_LEAST = 0.1


class AdaptiveMasking(keras.callbacks.Callback):
    """Renew the weights of the token types every 200 steps from how often the model guesses them right.

    A type's weight is 1 minus its accuracy over the masked tokens of the last steps, of which older ones count less,
    but at least 0.1; types that were seldom masked are taken to be nearly average. The share of a row's tokens that is
    masked stays: only which ones changes. Held-out rows neither count nor are masked by these weights.

    What one block teaches is used from the block after the next on, see `TokenWeights`: what is masked in a step is a
    function of the steps before it, whatever was prefetched, however many workers there are, and after a restart from a
    checkpoint that holds `variables` too.

    Args:
        model: `BertPretrainer`, compiled; its training steps count hits from now on.
        weights: `TokenWeights` of the dataset that `fit` reads.
        budget: `TrainingBudget` of the same `fit`, which stands before this callback in the list; a
            `TrainingCheckpoint` stands behind it.

    Attributes:
        variables: list of variables, the whole state.

    Example:
        ```python
        weights = TokenWeights(config.vocabulary_size)
        training = PretrainingDataset("data/news", token_weights=weights)
        adaptive = AdaptiveMasking(model, weights, budget)
        checkpoint = TrainingCheckpoint("run/checkpoints", budget, more=adaptive.variables)
        place = checkpoint.resume(model)
        model.fit(training.batches(place), callbacks=[budget, adaptive, checkpoint])
        ```

    References:
        - [Mask and you shall receive](https://arxiv.org/abs/2510.20475), BabyLM 2025
    """

    def __init__(self, model: Any, weights: "TokenWeights", budget: TrainingBudget) -> None:
        super().__init__()
        self._weights = weights
        self._budget = budget
        size = model.config.vocabulary_size
        with model.distribute_strategy.scope():
            self._accuracy = model.token_accuracy = TokenAccuracy(size)
        with tf.device("cpu:0"):
            self._before = tf.Variable(tf.zeros((size, 2)), trainable=False)
        model.train_function = None  # one that was traced before counts nothing

    @property
    def variables(self) -> list[Any]:
        """The whole state, in an order that stays."""
        return [*self._weights.variables, self._before, self._accuracy.sums]

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Renew the weights at the end of a block, or of a stage."""
        block, rest = divmod(self._budget.place, self._weights.block_steps)
        if rest:
            return
        sums = _KEPT * self._before.numpy() + self._accuracy.take()
        self._before.assign(sums)
        if block:
            self._weights.renew(block + 1, weights_of(sums))
        else:  # the next stage counts its steps from 0, and none of its batches is made yet
            self._weights.begin_again(weights_of(sums))


def weights_of(sums: np.ndarray) -> np.ndarray:
    """Return the weights of token types.

    Args:
        sums: float32 array `(types, 2)`: how many were guessed right, and how many there were.

    Returns:
        float32 array `(types,)`.
    """
    hits, seen = sums.T
    mean = hits.sum() / max(seen.sum(), 1.0)
    accuracy = (hits + _PRIOR * mean) / (seen + _PRIOR)
    return np.maximum(1.0 - accuracy, _LEAST).astype(np.float32)
