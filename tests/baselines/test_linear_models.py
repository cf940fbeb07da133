import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import MultinomialNB

from keras_mlm.baselines import linear_models

TRAIN = (
    ["the river runs", "a lake of rain", "rock and sand", "sand on the hill", "rain rain"],
    np.array([0, 0, 1, 1, 0]),
)
DEV = (["the river", "a hill of sand"], np.array([0, 1]))


def fitted(model):
    model.fit(TRAIN, DEV, 0)
    return model


def test_majority():
    assert fitted(linear_models.majority()).predict(["sand", "hill"]).tolist() == [0, 0]


@pytest.mark.parametrize("system", [linear_models.naive_bayes, linear_models.linear_svm])
def test_what_has_been_seen_is_told(system):
    model = fitted(system())
    assert model.predict(["a river and a lake", "rock on sand"]).tolist() == [0, 1]
    assert 0 < model.megabytes < 1


def test_naive_bayes_is_the_one_of_scikit_learn_on_words_and_pairs_of_words():
    ours = fitted(linear_models.naive_bayes()).estimator
    tf_idf = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", sublinear_tf=True)
    alpha = ours[-1].alpha
    theirs = MultinomialNB(alpha=alpha).fit(tf_idf.fit_transform(TRAIN[0]), TRAIN[1])
    texts = ["a river and a lake", "rock on sand", "unseen"]
    np.testing.assert_allclose(ours.predict_proba(texts), theirs.predict_proba(tf_idf.transform(texts)), rtol=1e-4)


def test_the_number_that_is_best_on_dev_is_kept():
    asked = []

    class Estimator:
        def __init__(self, value):
            self.value = value

        def fit(self, texts, labels):
            asked.append((self.value, tuple(texts)))
            return self

        def predict(self, texts):
            return np.array([0, 1] if self.value == 3.0 else [0, 0])

    model = fitted(linear_models.LinearModel(lambda value: Estimator(value), (1.0, 3.0, 10.0)))
    assert model.estimator.value == 3.0
    assert {texts for _, texts in asked} == {tuple(TRAIN[0])}
