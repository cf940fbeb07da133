"""How often each token type is selected for prediction, as a function of the step."""

from typing import Any

import numpy as np
import tensorflow as tf

# The steps of a block, all of which have the same weights.
BLOCK_STEPS = 200


class TokenWeights:
    """A weight for every token of the vocabulary, renewed from block to block of 200 steps.

    Batches are made ahead of the model. So that what is masked in a step does not depend on how far ahead, what is
    learned up to the end of a block is used from the block after the next on: the batches of the next one may have been
    made already. Two sets are kept, of a block and of the one after it. All weights are 1 before the first renewal.

    Args:
        vocabulary_size: int, number of tokens.

    Attributes:
        block_steps: int, the steps of a block.
        variables: list of `tf.Variable`, the whole state, to be kept with a checkpoint.

    Example:
        ```python
        weights = TokenWeights(training.manifest.vocabulary_size)
        training = PretrainingDataset("data/news", token_weights=weights)
        ```
    """

    def __init__(self, vocabulary_size: int) -> None:
        self.block_steps = BLOCK_STEPS
        with tf.device("cpu:0"):  # where batches are made
            self._even, self._odd = (tf.Variable(tf.ones(vocabulary_size), trainable=False) for _ in range(2))
            self._newest = tf.Variable(1, dtype=tf.int64, trainable=False)
        self.variables = [self._even, self._odd, self._newest]

    def at(self, step: Any) -> tf.Tensor:
        """Return the weights of a step's batch.

        Args:
            step: int64 scalar, at most a block ahead of the model.

        Returns:
            float32 `(vocabulary_size,)`.
        """
        block = tf.cast(step, tf.int64) // self.block_steps
        known = (block <= self._newest) & (block >= self._newest - 1)
        tf.debugging.Assert(known, ["batches are made more than a block of steps ahead of the model, at step", step])
        return tf.where(block % 2 == 0, self._even, self._odd)

    def renew(self, block: int, weights: np.ndarray) -> None:
        """Set the weights of a block, two behind the one that has just ended.

        Args:
            block: int, counted from 0.
            weights: float32 array `(vocabulary_size,)`, above 0.
        """
        (self._odd if block % 2 else self._even).assign(weights)
        self._newest.assign(block)  # last: nobody may read what is not written

    def begin_again(self, weights: np.ndarray) -> None:
        """Set the weights of the first two blocks, where steps are counted from 0 once more.

        Args:
            weights: float32 array `(vocabulary_size,)`, above 0.
        """
        for block in (0, 1):
            self.renew(block, weights)
