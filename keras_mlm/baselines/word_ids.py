import functools
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_mlm.baselines.word_vectors import WordVectors

PADDING, UNKNOWN, BETWEEN = range(3)


class WordIds:
    """Words as numbers for a network, and the vectors that they begin with.

    Words of training come first: theirs are the vectors that training can change, a few thousand of often 70,000, and
    Adam goes over all numbers of a table in every step.

    Args:
        words: iterable of str, those of training.
        vectors: `WordVectors`, whose words are known as well; or `None`, and all begin with random vectors.
    """

    def __init__(self, words: Iterable[str], vectors: WordVectors | None) -> None:
        self.vectors = vectors
        known = [] if vectors is None else vectors.table.index_to_key
        learned = dict.fromkeys(words)
        self.ids = {word: number for number, word in enumerate(dict.fromkeys([*learned, *known]), BETWEEN + 1)}
        self.learned = len(learned) + BETWEEN + 1

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
        """Return the vectors of the words of a Keras input, 0 of padding; training changes those of its words."""
        vectors = self._layer("words", slice(self.learned))(keras.ops.minimum(inputs, self.learned - 1))
        if self.learned < len(self._table):
            others = self._layer("other_words", slice(self.learned, None))
            others.trainable = False
            kept = others(keras.ops.maximum(inputs - self.learned, 0))
            vectors = keras.ops.where(keras.ops.expand_dims(inputs < self.learned, -1), vectors, kept)
        return vectors * keras.ops.expand_dims(keras.ops.cast(inputs != PADDING, vectors.dtype), -1)

    @functools.cached_property
    def _table(self) -> np.ndarray:
        """The vectors that all words begin with, float32 `(words, size)`."""
        size = 100 if self.vectors is None else self.vectors.size
        table = np.random.default_rng(0).normal(0, 0.1, (len(self.ids) + BETWEEN + 1, size)).astype("float32")
        if self.vectors is not None:
            numbers = [self.ids[word] for word in self.vectors.table.index_to_key]
            table[numbers] = self.vectors.table.vectors
        return table

    def _layer(self, name: str, rows: slice) -> keras.layers.Embedding:
        table = self._table[rows]
        layer = keras.layers.Embedding(*table.shape, name=name)
        layer.build()
        layer.set_weights([table])
        return layer
