"""Masks the rows of a corpus, at once or when their step is known."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from keras_mlm.data.token_weights import TokenWeights
from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

# What rows have for their masks only.
_HINTS = ("mask_selection_rate", "selection_weights")


class RowMasking:
    """Masks packed rows by their keys; rates, and weights of their words and of token types, are optional.

    Args:
        vocabulary: sequence of str, the tokens.
        rate: float, share of a row's tokens to predict.
        slots: int, mask slots a row.
        strategy: `"token"`, `"whole_word"` or `"span"`.
        seed: int.
        replacement_weights: float array `(vocabulary_size,)`; `None` for all alike.
        token_weights: `TokenWeights`; `None` for all alike.
    """

    def __init__(
        self, vocabulary: Sequence[str], *, rate: float, slots: int, strategy: Literal["token", "whole_word", "span"],
        seed: int, replacement_weights: np.ndarray | None, token_weights: TokenWeights | None,
    ) -> None:  # fmt: skip
        ids = {token: vocabulary.index(token) for token in SPECIAL_TOKENS}
        drawn = None if replacement_weights is None else replacement_weights.tolist()
        self._token_weights = token_weights
        self._masker = MaskedLMMaskGenerator(
            len(vocabulary), rate, ids["[MASK]"], slots, unselectable_token_ids=sorted(ids.values()), seed=seed,
            strategy=strategy, replacement_weights=drawn,
        )  # fmt: skip

    @property
    def needs_step(self) -> bool:
        """Whether rows can be masked only as the batch of a step."""
        return self._token_weights is not None

    def __call__(self, rows: dict[str, tf.Tensor], step: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Return masked rows.

        Args:
            rows: dict of what `SegmentPacker` gives, keys, and where wanted `mask_selection_rate` and
                `selection_weights` as `MaskedLMMaskGenerator` takes them.
            step: int64 scalar, of which the rows are the batch. Defaults to `None`, any.

        Returns:
            The rows, with masks and without the two.
        """
        weights = rows.get("selection_weights")
        if self._token_weights is not None:
            by_type = tf.gather(self._token_weights.at(step), rows["token_ids"])
            weights = by_type if weights is None else weights * by_type
        masked = self._masker({**rows, "selection_weights": weights})
        return {name: part for name, part in rows.items() if name not in _HINTS} | masked
