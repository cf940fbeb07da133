"""Weights that let content words be masked more often than function words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.preprocessing_layer import as_tensor

# Universal Dependencies' tags, and in lower case the first letters of jieba's: nouns, verbs, adjectives, adverbs,
# idioms, abbreviations, times, places and words of other alphabets.
_UNIVERSAL = frozenset({"NOUN", "PROPN", "VERB", "ADJ", "ADV", "NUM"})
_JIEBA = frozenset("nvadiljtsge") | {"eng"}


def part_of_speech_weights(pos_ids: Any, tags: Sequence[str], *, content: float = 2.0, other: float = 1.0) -> tf.Tensor:
    """Return the `selection_weights` of tokens by the part of speech of their words.

    Args:
        pos_ids: int, `(tokens,)` or `(batch, tokens)`, list, array, tensor or ragged tensor; places in `tags`.
        tags: sequence of str, Universal Dependencies' tags (`NOUN`) or jieba's (`n`, `nr`).
        content: float, weight of nouns, verbs, adjectives, adverbs and numbers. Defaults to `2.0`.
        other: float, weight of all other words. Defaults to `1.0`.

    Returns:
        float32 of the shape and kind of `pos_ids`.

    Example:
        ```python
        weights = part_of_speech_weights([[0, 1, 2]], ["DET", "NOUN", "VERB"])  # [[1., 2., 2.]]
        masker({"token_ids": ids, "word_starts": starts, "selection_weights": weights})
        ```

    References:
        - [Learning better masking for better language model pre-training](https://arxiv.org/abs/2208.10806)
    """
    table = np.array([content if _is_content(tag) else other for tag in tags], np.float32)
    pos_ids = as_tensor(pos_ids)
    if isinstance(pos_ids, tf.RaggedTensor):
        return pos_ids.with_flat_values(tf.gather(table, pos_ids.flat_values))
    return tf.gather(table, pos_ids)


def _is_content(tag: str) -> bool:
    return tag in _UNIVERSAL or tag == "eng" or (tag[:1] in _JIEBA and tag.islower())
