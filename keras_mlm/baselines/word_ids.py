from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_mlm.baselines.word_vectors import WordVectors

PADDING, UNKNOWN, BETWEEN = range(3)


class WordIds:
    """Words as numbers for a network, and the vectors that they begin with.

    Args:
        words: iterable of str, those of training.
        vectors: `WordVectors`, whose words are known as well; or `None`, and all begin with random vectors.
    """

    def __init__(self, words: Iterable[str], vectors: WordVectors | None) -> None:
        self.vectors = vectors
        known = [] if vectors is None else vectors.table.index_to_key
        self.ids = {word: number for number, word in enumerate(dict.fromkeys([*known, *words]), BETWEEN + 1)}

    def numbers(self, words: Iterable[str]) -> list[int]:
        """Return words as numbers."""
        return [self.ids.get(word, UNKNOWN) for word in words]

    def rows(self, numbers: Sequence[Sequence[int]], length: int) -> np.ndarray:
        """Return rows of numbers, int32 `(rows, length)`, cut or filled up with 0."""
        rows = np.full((len(numbers), length), PADDING, "int32")
        for row, found in zip(rows, numbers, strict=True):
            row[: len(found)] = found[:length]
        return rows

    def embed(self, inputs: Any) -> Any:
        """Return the vectors of the words of a Keras input, which are trained along."""
        size = 100 if self.vectors is None else self.vectors.size
        table = np.random.default_rng(0).normal(0, 0.1, (len(self.ids) + BETWEEN + 1, size)).astype("float32")
        if self.vectors is not None:
            table[BETWEEN + 1 : BETWEEN + 1 + len(self.vectors.table)] = self.vectors.table.vectors
        table[PADDING] = 0.0
        layer = keras.layers.Embedding(*table.shape, name="words")
        embedded = layer(inputs)
        layer.set_weights([table])
        return embedded
