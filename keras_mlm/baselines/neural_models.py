"""A convolution and a bidirectional LSTM over word vectors, as Keras models, to classify texts and to tag words."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.baselines.word_ids import BETWEEN, WordIds
from keras_mlm.baselines.word_vectors import WordVectors
from keras_mlm.baselines.words import parts, words
from keras_mlm.data.untuned import untuned

# Words a row; of a longer text the rest is left out, of a longer sentence the rest has the most frequent tag.
LENGTH = 128
EPOCHS, PATIENCE, BATCH = 30, 3, 32


class NeuralModel:
    """A small network over the words of texts; the epoch that is best on dev is kept.

    Args:
        kind: `"cnn"` (widths 3, 4, 5, the largest value of each filter) or `"bilstm"` (the largest of its states).
        vectors: `WordVectors` that the words begin with, and are trained on from. Defaults to `None`, random ones.

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
        rows = [self._numbers(text) for text in train[0]]
        self.length = min(LENGTH, max(8, *map(len, rows)))
        self.model = self._network(int(train[1].max()) + 1)
        fitted(self.model, (self.ids.rows(rows, self.length), train[1]), (self._rows(dev[0]), dev[1]))

    def predict(self, texts: list[Any]) -> np.ndarray:
        """Return class numbers, int `(texts,)`."""
        return self.model.predict(self._rows(texts), batch_size=256, verbose=0).argmax(axis=1)

    @property
    def megabytes(self) -> float:
        """The size of what has been learned, as float32."""
        return 4 * self.model.count_params() / 1e6

    def _network(self, classes: int) -> keras.Model:
        inputs = keras.Input((self.length,), dtype="int32")
        x = keras.layers.Dropout(0.2)(self.ids.embed(inputs))
        if self.kind == "cnn":
            widths = [keras.layers.Conv1D(100, width, padding="same", activation="relu")(x) for width in (3, 4, 5)]
            x = keras.layers.Concatenate()([keras.layers.GlobalMaxPooling1D()(width) for width in widths])
        else:
            x = keras.layers.Bidirectional(keras.layers.LSTM(128, return_sequences=True))(x)
            x = keras.layers.GlobalMaxPooling1D()(x)
        x = keras.layers.Dropout(0.5)(x)
        return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(x))

    def _numbers(self, text: Any) -> list[int]:
        numbers: list[int] = []
        for part in parts(text):
            numbers += [BETWEEN] if numbers else []
            numbers += self.ids.numbers(words(part))
        return numbers

    def _rows(self, texts: list[Any]) -> np.ndarray:
        return self.ids.rows([self._numbers(text) for text in texts], self.length)


class NeuralTagger:
    """A small network over the words of sentences; the epoch that is best on dev is kept.

    Args:
        kind: `"cnn"` (two convolutions of width 3) or `"bilstm"`.
        vectors: `WordVectors` that the words begin with, and are trained on from. Defaults to `None`, random ones.

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
        self.length = min(LENGTH, max(map(len, train[0])))
        inputs = keras.Input((self.length,), dtype="int32")
        x = keras.layers.Dropout(0.2)(self.ids.embed(inputs))
        if self.kind == "cnn":
            for _ in range(2):
                x = keras.layers.Conv1D(200, 3, padding="same", activation="relu")(x)
        else:
            x = keras.layers.Bidirectional(keras.layers.LSTM(128, return_sequences=True))(x)
        x = keras.layers.Dropout(0.5)(x)
        self.model = keras.Model(inputs, keras.layers.Dense(len(self.tags), activation="softmax")(x))
        fitted(self.model, self._batch(*train), self._batch(*dev))

    def predict(self, sentences: list[Any]) -> list[list[str]]:
        """Return the tags of sentences of words."""
        found = self.model.predict(self._rows(sentences), batch_size=256, verbose=0).argmax(axis=2)
        return [
            [self.tags[number] for number in row[: len(words)]] + [self.usual] * (len(words) - self.length)
            for row, words in zip(found, sentences, strict=True)
        ]

    @property
    def megabytes(self) -> float:
        """The size of what has been learned, as float32."""
        return 4 * self.model.count_params() / 1e6

    def _rows(self, sentences: list[Any]) -> np.ndarray:
        return self.ids.rows([self.ids.numbers(map(str.lower, words)) for words in sentences], self.length)

    def _batch(self, sentences: list[Any], tags: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, numbers = self._rows(sentences), {tag: number for number, tag in enumerate(self.tags)}
        labels = self.ids.rows([[numbers[tag] for tag in of_words] for of_words in tags], self.length)
        lengths = np.array([len(words) for words in sentences])
        return rows, labels, (np.arange(self.length) < lengths[:, None]).astype("float32")


def fitted(model: keras.Model, train: tuple[Any, ...], dev: tuple[Any, ...]) -> None:
    """Train a network and keep its best epoch."""
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", patience=PATIENCE, restore_best_weights=True, start_from_epoch=0
    )
    learning = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train[0]))
    learning, judging = (
        untuned(examples.batch(BATCH).prefetch(2)) for examples in (learning, tf.data.Dataset.from_tensor_slices(dev))
    )
    model.fit(learning, epochs=EPOCHS, verbose=0, callbacks=[stop], validation_data=judging)
