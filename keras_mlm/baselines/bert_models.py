"""BERT among the baselines: fine-tuned by the same calls as recipes/finetune_classifier.py."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.evaluation.classifier_report import classifier_scores
from keras_mlm.model_folder import load_model
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.starting_model import starting_model
from keras_mlm.training.fine_tuning import FineTuning


class BertModel:
    """A `BertTextClassifier` with what `FineTuning` finds sensible.

    Args:
        model: str, a model folder.
        classes: list of str, names of the classes.
        length: int, tokens a row.
        random: bool, whether only the architecture and the vocabulary are taken. Defaults to `False`.
    """

    def __init__(self, model: str, classes: list[str], length: int, random: bool = False) -> None:
        self.folder = model
        self.classes = classes
        self.length = length
        self.random = random

    def fit(self, train: tuple[list[Any], np.ndarray], dev: tuple[list[Any], np.ndarray], seed: int) -> None:
        """Learn from texts and class numbers; keep what is best on those of dev."""
        keras.utils.set_random_seed(seed)
        trained = load_model(self.folder)
        tuning = FineTuning.for_model(trained.config, len(train[0]), pretrained=not self.random)
        head: dict[str, Any] = {"length": self.length}
        if self.random:
            config = dataclasses.replace(trained.config, dropout=tuning.dropout)
            self.model = BertTextClassifier(config, self.classes, trained.tokenizer, **head)
        else:
            head["dropout"] = tuning.dropout
            self.model = starting_model(BertTextClassifier, self.classes, model=self.folder, **head)
        rows, dev_rows = self.model.encode(train[0]), self.model.encode(dev[0])
        self.model.compile(tuning.optimizer(self.model.config))
        self.model.fit(
            labelled_batches(rows, train[1], batch_size=tuning.batch_size, seed=seed),
            epochs=tuning.epochs,
            shuffle=False,
            verbose=0,
            callbacks=tuning.callbacks(
                rows, lambda: classifier_scores(dev[1], self.model.text_logits(dev_rows)), "accuracy"
            ),
        )

    def predict(self, texts: list[Any]) -> np.ndarray:
        """Return class numbers, int `(texts,)`."""
        return self.model.text_logits(self.model.encode(texts)).argmax(axis=1)

    @property
    def megabytes(self) -> float:
        """The size of what has been learned, as float32."""
        return 4 * self.model.count_params() / 1e6
