"""BERT among the baselines: fine-tuned by the same calls as the recipes of fine-tuning."""

import dataclasses
from typing import Any

import keras

from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.evaluation.classifier_report import classifier_scores
from keras_mlm.model_folder import load_model
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.starting_model import pooling_for, starting_model
from keras_mlm.training.fine_tuning import FineTuning
from keras_mlm.training.tagging_metrics import tagging_figures


class BertTexts:
    """A `BertTextClassifier`, fine-tuned as `FineTuning` finds sensible.

    Args:
        folder: str, a model folder.
        classes: list of str, names of the classes.
        length: int, tokens a row.
        random: bool, whether only the architecture and the vocabulary are taken. Defaults to `False`.
    """

    kind: Any = BertTextClassifier

    def __init__(self, folder: str, classes: list[str], length: int, random: bool = False) -> None:
        self.folder = folder
        self.classes = classes
        self.length = length
        self.random = random

    def fit(self, train: tuple[list[Any], Any], dev: tuple[list[Any], Any], seed: int) -> None:
        """Learn from texts and class numbers; keep what is best on those of dev."""
        tuning = self._start(len(train[0]), seed, pairs=not isinstance(train[0][0], str))
        rows, dev_rows = self.model.encode(train[0]), self.model.encode(dev[0])

        def score() -> dict[str, float]:
            self.model.take_weights(self.trained)
            return classifier_scores(dev[1], self.model.predictions(self.model.text_logits(dev_rows)).probabilities)

        self._fit(tuning, rows, train[1], tuning.callbacks(rows, score, "accuracy"), seed)

    def predict(self, texts: list[Any]) -> Any:
        """Return class numbers, int `(texts,)`."""
        return self.model.text_logits(self.model.encode(texts)).argmax(axis=1)

    @property
    def megabytes(self) -> float:
        """The size of what has been learned, as float32."""
        return 4 * self.model.count_params() / 1e6

    def _start(self, examples: int, seed: int, pairs: bool = False) -> FineTuning:
        keras.utils.set_random_seed(seed)
        trained = load_model(self.folder)
        tuning = FineTuning.for_model(
            trained.config, examples, pretrained=not self.random, tags=self.kind is not BertTextClassifier, pairs=pairs
        )
        head: dict[str, Any] = {"length": self.length}
        if self.kind is BertTextClassifier:
            head["pooling"] = pooling_for(trained.config)
        if self.random:
            config = dataclasses.replace(trained.config, dropout=tuning.dropout)
            self.model = self.kind(config, self.classes, trained.tokenizer, **head)
        else:
            self.model = starting_model(self.kind, self.classes, model=self.folder, dropout=tuning.dropout, **head)
        return tuning

    def _fit(self, tuning: FineTuning, rows: Any, labels: Any, callbacks: list[Any], seed: int) -> None:
        self.trained = self.model.in_precision(tuning.precision)
        self.trained.compile(tuning.optimizer(self.model.config))
        self.trained.fit(
            labelled_batches(rows, labels, batch_size=tuning.batch_size, seed=seed, few_shapes=tuning.few_shapes),
            epochs=tuning.epochs,
            shuffle=False,  # the batches have their own order
            verbose=0,
            callbacks=callbacks,
        )
        self.model.take_weights(self.trained)  # the best epoch's


class BertTags(BertTexts):
    """A `BertTokenClassifier`, fine-tuned as `FineTuning` finds sensible; arguments as `BertTexts`."""

    kind = BertTokenClassifier

    def fit(self, train: tuple[list[Any], Any], dev: tuple[list[Any], Any], seed: int) -> None:
        """Learn from sentences of words and their tags; keep what is best on those of dev."""
        tuning = self._start(len(train[0]), seed)
        windows, dev_windows = self.model.encode_words(train[0]), self.model.encode_words(dev[0])
        labels = windows.labels(self.model.class_numbers([tag for tags in train[1] for tag in tags]))
        spans = self.model.scheme is not None

        def score() -> dict[str, float]:
            self.model.take_weights(self.trained)
            return tagging_figures(dev[1], self.model.predict_windows(dev_windows).tags, spans=spans)

        callbacks = tuning.callbacks(windows.rows, score, "f1" if spans else "accuracy")
        self._fit(tuning, windows.rows, labels, callbacks, seed)

    def predict(self, sentences: list[Any]) -> Any:
        """Return the tags of sentences of words."""
        return self.model.predict_words(sentences).tags
