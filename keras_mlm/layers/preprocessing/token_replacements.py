"""What selected tokens become: `[MASK]`, a random ordinary token, or what they are."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing import random_bits


class TokenReplacements:
    """Draws replacements, token by token.

    Args:
        ordinary: int32 array, the ids that are no special tokens.
        mask_token_id: int.
        mask_token_rate: float, share replaced by `mask_token_id`.
        random_token_rate: float, share replaced by a random ordinary token.
        weights: sequence of float, one for each id of the vocabulary, how often to draw it; `None` for all alike.

    Raises:
        InputError: there is no token to draw, or the weights are not one of at least 0 for each token.
    """

    def __init__(
        self, ordinary: np.ndarray, mask_token_id: int, mask_token_rate: float, random_token_rate: float,
        weights: Sequence[float] | None, vocabulary_size: int,
    ) -> None:  # fmt: skip
        if random_token_rate and not len(ordinary):
            raise InputError("every token is special: there is none to draw as a random replacement")
        self._ordinary = ordinary
        self._mask_token_id = mask_token_id
        # One draw decides both: below the first threshold [MASK], and above it, within the span, a random token by
        # its place there. What is below the threshold wraps around and lies outside the span.
        self._threshold, self._span = (
            np.uint32(min(round(rate * 2**32), 2**32 - 1)) for rate in (mask_token_rate, random_token_rate)
        )
        self._ends = None
        if weights is not None:
            given = np.array(weights, np.float64)
            if given.shape != (vocabulary_size,) or not (np.isfinite(given) & (given >= 0)).all():
                raise InputError(
                    f"replacement_weights must be {vocabulary_size} numbers of at least 0, one for each token"
                )
            sums = np.cumsum(given[ordinary])
            if random_token_rate and not sums[-1]:
                raise InputError("replacement_weights leave no ordinary token to draw")
            self._ends = sums / sums[-1] * float(self._span)

    def __call__(self, labels: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
        """Return what selected tokens become.

        Args:
            labels: int32 `(selected,)`.
            bits: uint32 `(selected,)`, random.
        """
        # What is selected has the highest bits of its row. A product with an odd number, which wraps around, spreads
        # any range of numbers evenly over all of them again.
        draw = bits * random_bits.SPREAD
        new = tf.where(draw < self._threshold, self._mask_token_id, labels)
        if not self._span:
            return new
        place = draw - self._threshold
        drawn = tf.cast(tf.minimum(place, self._span - np.uint32(1)), tf.float64)
        if self._ends is None:
            index = tf.cast(drawn * (len(self._ordinary) / float(self._span)), tf.int32)
        else:
            index = tf.searchsorted(self._ends, drawn, side="right")
        return tf.where(place < self._span, tf.gather(self._ordinary, index), new)
