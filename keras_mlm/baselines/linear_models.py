"""The most frequent class, naive Bayes and a linear support vector machine, all of scikit-learn."""

import pickle
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_mlm.baselines.word_vectors import WordVectors
from keras_mlm.baselines.words import NGrams


class LinearModel:
    """A pipeline of scikit-learn whose one number is chosen on the dev set.

    Args:
        build: callable that takes that number and returns an estimator.
        candidates: sequence of float to choose from.
    """

    def __init__(self, build: Callable[[float], Any], candidates: Sequence[float] = (1.0,)) -> None:
        self.build = build
        self.candidates = candidates

    def fit(self, train: tuple[list[Any], np.ndarray], dev: tuple[list[Any], np.ndarray], seed: int) -> None:
        """Learn from texts and class numbers; keep what is best on those of dev."""
        best = -1.0
        for candidate in self.candidates:
            with warnings.catch_warnings():
                # Few examples have nearly as many classes, which need not be numbers that were meant to be predicted.
                warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
                estimator = self.build(candidate).fit(*train)
            score = float(np.mean(estimator.predict(dev[0]) == dev[1]))
            if score > best:
                best, self.estimator = score, estimator

    def predict(self, texts: list[Any]) -> np.ndarray:
        """Return class numbers, int `(texts,)`."""
        return np.asarray(self.estimator.predict(texts))

    @property
    def megabytes(self) -> float:
        """The size of what has been learned."""
        return len(pickle.dumps(self.estimator)) / 1e6


def majority() -> LinearModel:
    """Return the model that always answers the most frequent class."""
    from sklearn.dummy import DummyClassifier

    return LinearModel(lambda _: DummyClassifier(strategy="most_frequent"))


def naive_bayes() -> LinearModel:
    """Return multinomial naive Bayes on TF-IDF of n-grams."""
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    return LinearModel(lambda alpha: make_pipeline(_tf_idf(), MultinomialNB(alpha=alpha)), (0.01, 0.1, 1.0))


def linear_svm() -> LinearModel:
    """Return a linear support vector machine on TF-IDF of n-grams."""
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return LinearModel(lambda c: make_pipeline(_tf_idf(), LinearSVC(C=c)), (0.1, 1.0, 10.0))


def averaged_vectors(vectors: WordVectors) -> LinearModel:
    """Return logistic regression on the mean of the words' vectors; of a pair also their difference and product."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return LinearModel(
        lambda c: make_pipeline(
            FunctionTransformer(vectors.means), StandardScaler(), LogisticRegression(C=c, max_iter=1000)
        ),
        (0.01, 0.1, 1.0),
    )


def _tf_idf() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer=NGrams(2), sublinear_tf=True, dtype=np.float32)
