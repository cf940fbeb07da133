"""A convolution and a bidirectional LSTM over word vectors, as Keras models, to classify texts and to tag words."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.baselines.word_ids import BETWEEN, PADDING, WordIds
from keras_mlm.baselines.word_vectors import WordVectors
from keras_mlm.baselines.words import parts, words
from keras_mlm.data.untuned import untuned

# Words a row; of a longer text the rest is left out, of a longer sentence the rest has the most frequent tag.
LENGTH = 128
# Batches hold rows between two of these lengths: an LSTM takes a step a word, and most sentences have twenty.
LENGTHS = (12, 24, 48, 80)
# Takes part in no largest value: what a convolution and an LSTM give is above it.
LOWEST = -1.0
EPOCHS, PATIENCE, BATCH = 30, 3, 32


class NeuralModel:
    """A small network over the words of texts; the epoch that is best on dev is kept.

    Args:
        kind: `"cnn"` (widths 3, 4, 5, the largest value of each filter) or `"bilstm"` (the largest of its states).
        vectors: `WordVectors` that words begin with; those of training go on from there. Defaults to `None`, random.

    References:
        - [Convolutional neural networks for sentence classification](https://arxiv.org/abs/1408.5882)
    """

    def __init__(self, kind: str, vectors: WordVectors | None = None) -> None:
        self.kind = kind
        self.vectors = vectors

    def fit(self, train: tuple[list[Any], np.ndarray], dev: tuple[list[Any], np.ndarray], seed: int) -> None:
        """Learn from texts and class numbers; keep what is best on those of dev."""
        keras.utils.set_random_seed(seed)
        self.ids = WordIds((word for text in train[0] for part in parts(text) for word in words(part)), self.vectors)
        self.model = self._network(int(train[1].max()) + 1)
        fitted(self.model, (self._rows(train[0]), train[1]), (self._rows(dev[0]), dev[1]))

    def predict(self, texts: list[Any]) -> np.ndarray:
        """Return class numbers, int `(texts,)`."""
        found = np.zeros(len(texts), "int64")
        for places, numbers in predicted(self.model, self._rows(texts)):
            found[places] = numbers
        return found

    @property
    def megabytes(self) -> float:
        """The size of what has been learned, as float32."""
        return 4 * self.model.count_params() / 1e6

    def _network(self, classes: int) -> keras.Model:
        inputs = keras.Input((None,), dtype="int32")
        there = inputs != PADDING
        x = keras.layers.Dropout(0.2)(self.ids.embed(inputs))
        if self.kind == "cnn":
            widths = [keras.layers.Conv1D(100, width, padding="same", activation="relu")(x) for width in (3, 4, 5)]
            x = keras.layers.Concatenate()(widths)
        else:
            x = both_directions(x, there)
        x = keras.ops.max(keras.ops.where(keras.ops.expand_dims(there, -1), x, LOWEST), axis=1)
        x = keras.layers.Dropout(0.5)(x)
        return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))

    def _numbers(self, text: Any) -> list[int]:
        numbers: list[int] = []
        for part in parts(text):
            numbers += [BETWEEN] if numbers else []
            numbers += self.ids.numbers(words(part))
        return numbers

    def _rows(self, texts: list[Any]) -> np.ndarray:
        return self.ids.rows([self._numbers(text) for text in texts], LENGTH)


class NeuralTagger:
    """A small network over the words of sentences; the epoch that is best on dev is kept.

    Args:
        kind: `"cnn"` (two convolutions of width 3) or `"bilstm"`.
        vectors: `WordVectors` that words begin with; those of training go on from there. Defaults to `None`, random.

    References:
        - [Bidirectional LSTM-CRF models for sequence tagging](https://arxiv.org/abs/1508.01991), the LSTM without CRF
    """

    def __init__(self, kind: str, vectors: WordVectors | None = None) -> None:
        self.kind = kind
        self.vectors = vectors

    def fit(self, train: tuple[list[Any], list[Any]], dev: tuple[list[Any], list[Any]], seed: int) -> None:
        """Learn from sentences of words and their tags; keep what is best on those of dev."""
        keras.utils.set_random_seed(seed)
        names, counts = np.unique([tag for tags in train[1] for tag in tags], return_counts=True)
        self.tags, self.usual = names.tolist(), str(names[counts.argmax()])
        self.ids = WordIds((word.lower() for sentence in train[0] for word in sentence), self.vectors)
        inputs = keras.Input((None,), dtype="int32")
        there = inputs != PADDING
        x = keras.layers.Dropout(0.2)(self.ids.embed(inputs))
        if self.kind == "cnn":
            for _ in range(2):
                x = keras.layers.Conv1D(200, 3, padding="same", activation="relu")(x)
                # The next one finds nothing beyond the end, however much padding there is.
                x = x * keras.ops.expand_dims(keras.ops.cast(there, x.dtype), -1)
        else:
            x = both_directions(x, there)
        x = keras.layers.Dropout(0.5)(x)
        self.model = keras.Model(inputs, keras.layers.Dense(len(self.tags), activation="softmax")(x))
        fitted(self.model, self._batch(*train), self._batch(*dev))

    def predict(self, sentences: list[Any]) -> list[list[str]]:
        """Return the tags of sentences of words."""
        found = np.zeros((len(sentences), LENGTH), "int64")
        for places, numbers in predicted(self.model, self._rows(sentences)):
            found[places, : numbers.shape[1]] = numbers
        return [
            [self.tags[number] for number in row[: len(words)]] + [self.usual] * (len(words) - LENGTH)
            for row, words in zip(found, sentences, strict=True)
        ]

    @property
    def megabytes(self) -> float:
        """The size of what has been learned, as float32."""
        return 4 * self.model.count_params() / 1e6

    def _rows(self, sentences: list[Any]) -> np.ndarray:
        return self.ids.rows([self.ids.numbers(map(str.lower, words)) for words in sentences], LENGTH)

    def _batch(self, sentences: list[Any], tags: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, numbers = self._rows(sentences), {tag: number for number, tag in enumerate(self.tags)}
        labels = self.ids.rows([[numbers[tag] for tag in of_words] for of_words in tags], LENGTH)
        return rows, labels, (rows != PADDING).astype("float32")


def both_directions(x: Any, there: Any) -> Any:
    """Return the states of a bidirectional LSTM, which reads no padding."""
    return keras.layers.Bidirectional(keras.layers.LSTM(128, return_sequences=True))(x, mask=there)


def fitted(model: keras.Model, train: tuple[Any, ...], dev: tuple[Any, ...]) -> None:
    """Train a network and keep its best epoch.

    Args:
        model: takes rows of any length.
        train: tuple of arrays, rows filled up with padding first.
        dev: the same.
    """
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"],
        jit_compile=False,  # it would be compiled anew for every shape
    )  # fmt: skip
    stop = keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", patience=PATIENCE, restore_best_weights=True, start_from_epoch=0
    )
    model.fit(_alike(train, True), epochs=EPOCHS, verbose=0, callbacks=[stop], validation_data=_alike(dev, False))


def _alike(examples: tuple[Any, ...], shuffled: bool) -> tf.data.Dataset:
    """Return batches of rows of similar length, cut where the longest ends."""

    def cut(rows: Any, *others: Any) -> tuple[Any, ...]:
        longest = tf.maximum(1, tf.reduce_max(tf.math.count_nonzero(rows, axis=1, dtype=tf.int32)))
        return rows[:, :longest], *(other[:, :longest] if other.shape.rank == 2 else other for other in others)

    rows = tf.data.Dataset.from_tensor_slices(examples)
    if shuffled:
        rows = rows.shuffle(len(rows))
    alike = np.unique(np.digitize(np.count_nonzero(examples[0], axis=1), LENGTHS), return_counts=True)[1]
    length = lambda row, *_: tf.math.count_nonzero(row, dtype=tf.int32)
    batches = rows.bucket_by_sequence_length(length, LENGTHS, [BATCH] * (len(LENGTHS) + 1), no_padding=True)
    # Keras warns of data that ends where it was not told, at every end of an epoch.
    batches = batches.apply(tf.data.experimental.assert_cardinality(int(np.ceil(alike / BATCH).sum())))
    return untuned(batches.map(cut).prefetch(2))


def predicted(model: keras.Model, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places of some rows of similar length, and the numbers that a network finds most likely in them."""
    lengths = np.count_nonzero(rows, axis=1)
    order = lengths.argsort(kind="stable")
    for first in range(0, len(rows), 256):
        places = order[first : first + 256]
        yield places, model.predict_on_batch(rows[places, : max(1, lengths[places].max())]).argmax(axis=-1)
