"""The rows of one prepared corpus or of several with weights, and what is measured on them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mlm.config import PretrainingConfig
from keras_mlm.data.mixed_dataset import MixedDataset
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.token_weights import TokenWeights

# What is told of each corpus of several.
_EACH = ("masked_lm_loss", "masked_lm_accuracy", "perplexity")


def training_rows(
    folders: Sequence[str], config: PretrainingConfig, *, token_weights: TokenWeights | None = None
) -> PretrainingDataset | MixedDataset:
    """Return the training rows of one corpus, or of several in the shares that `config.corpus_weights` says.

    Args:
        folders: sequence of str.
        config: `PretrainingConfig`.
        token_weights: `TokenWeights`. Defaults to `None`, all token types alike.

    Raises:
        InputError: as of `PretrainingDataset` and `MixedDataset`.
    """
    if len(folders) > 1:
        return MixedDataset(folders, config, token_weights=token_weights)
    return PretrainingDataset.from_config(folders[0], config, token_weights=token_weights)


def mixed_figures(figures: dict[str, dict[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    """Return the held-out figures of a mix: the means by weight of those of its corpora, and the main ones of each.

    Args:
        figures: dict of the corpora's names to what `evaluate` returned; that of a single one is returned as it is.
        weights: sequence of float, of as many corpora.

    Returns:
        Dict of figures; `perplexity` is that of the mean loss, those of a corpus are `NAME/perplexity` and the like.
    """
    every = list(figures.values())
    if len(every) == 1:
        return every[0]
    mean = {name: float(np.average([one[name] for one in every], weights=weights)) for name in every[0]}
    mean["perplexity"] = float(np.exp(mean["masked_lm_loss"]))
    return mean | {f"{corpus}/{name}": one[name] for corpus, one in figures.items() for name in _EACH}
