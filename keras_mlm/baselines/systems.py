"""Which systems there are, by name, and what is measured of each."""

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mlm.baselines import linear_models
from keras_mlm.baselines.bert_models import BertTags, BertTexts
from keras_mlm.baselines.neural_models import NeuralModel, NeuralTagger
from keras_mlm.baselines.tag_models import HiddenMarkovModel, MostFrequentTag
from keras_mlm.errors import InputError
from keras_mlm.evaluation.classifier_report import classifier_scores
from keras_mlm.model_folder import read_model_config
from keras_mlm.tag_scheme import scheme_of
from keras_mlm.training.tagging_metrics import tagging_figures

# Those that come out the same with every seed.
DETERMINISTIC = (
    "majority", "naive bayes", "linear svm", "mean of word vectors", "most frequent tag", "hidden markov model"
)  # fmt: skip

# Ends the name of a BERT that has the size and the vocabulary of a model, and nothing of what it learned.
RANDOM = " from random weights"

Systems = dict[str, Callable[[], Any]]


def text_systems(classes: list[str], models: Sequence[str], length: int, vectors: Callable[[], Any] | None) -> Systems:
    """Return callables that make a system for texts, by name.

    Args:
        classes: list of str, names of the classes.
        models: sequence of str, model folders.
        length: int, tokens a row of the BERTs.
        vectors: callable that returns `WordVectors`; or `None` where there are none, and words begin with random ones.

    Returns:
        Dict of str to callables.

    Raises:
        InputError: a folder is no model, or two have one name.
    """
    systems: Systems = {
        "majority": linear_models.majority,
        "naive bayes": linear_models.naive_bayes,
        "linear svm": linear_models.linear_svm,
    }
    if vectors is not None:
        systems["mean of word vectors"] = lambda: linear_models.averaged_vectors(vectors())
    systems["cnn"] = lambda: NeuralModel("cnn", vectors and vectors())
    systems["bilstm"] = lambda: NeuralModel("bilstm", vectors and vectors())
    return {**systems, **_berts(BertTexts, classes, models, length)}


def tag_systems(classes: list[str], models: Sequence[str], length: int, vectors: Callable[[], Any] | None) -> Systems:
    """Return callables that make a system for tagged words, by name; arguments as `text_systems`."""
    return {
        "most frequent tag": MostFrequentTag,
        "hidden markov model": HiddenMarkovModel,
        "cnn": lambda: NeuralTagger("cnn", vectors and vectors()),
        "bilstm": lambda: NeuralTagger("bilstm", vectors and vectors()),
        **_berts(BertTags, classes, models, length),
    }


def _berts(kind: Any, classes: list[str], models: Sequence[str], length: int) -> Systems:
    systems: Systems = {}
    for folder in models:
        name = Path(folder).absolute().name
        found = read_model_config(folder)["class"]
        if found != "BertPretrainer":
            raise InputError(f"{folder} holds a {found}: give pre-trained models, as recipes/pretrain.py writes them")
        if f"bert {name}" in systems:
            raise InputError(f"two models are called {name}: name their folders differently")
        if not systems:
            systems[f"bert {name}{RANDOM}"] = functools.partial(kind, folder, classes, length, True)
        systems[f"bert {name}"] = functools.partial(kind, folder, classes, length)
    return systems


def measure(system: Any, data: dict[str, tuple[list[Any], Any]], classes: list[str], seed: int) -> dict[str, float]:
    """Train a system and return its figures.

    Args:
        system: object with `fit`, `predict` and `megabytes`.
        data: dict of `train`, `dev` and `judged`: texts and class numbers, or sentences of words and their tags.
        classes: list of str, names of the classes.
        seed: int.

    Returns:
        Dict of the accuracy and macro F1 of texts, of the accuracy of tags, where they spell spans after the F1 of
        those; of `train seconds`, without those of word vectors, `ms an example` and `MB`.
    """
    started = time.perf_counter()
    system.fit(data["train"], data["dev"], seed)
    trained = time.perf_counter()
    answers = system.predict(data["judged"][0])
    answered = time.perf_counter()
    truth = data["judged"][1]
    if isinstance(truth, np.ndarray):
        scores = classifier_scores(truth, np.eye(len(classes))[answers])
        del scores["loss"]  # most of them give no probabilities
    else:
        scores = tagging_figures(truth, answers, spans=scheme_of(classes) is not None)
        scores = {name: scores[name] for name in ("f1", "accuracy") if name in scores}
    return {
        **scores,
        "train seconds": round(trained - started, 2),
        "ms an example": round(1000 * (answered - trained) / len(answers), 4),
        "MB": round(system.megabytes, 2),
    }
