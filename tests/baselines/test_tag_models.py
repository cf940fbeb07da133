"""With nltk, which the extra `baselines` brings."""

import numpy as np
import pytest

from keras_mlm.baselines.tag_models import HiddenMarkovModel, MostFrequentTag

pytestmark = pytest.mark.slow
pytest.importorskip("nltk")

TRAIN = (
    [["the", "run"], ["they", "run"], ["they", "run"], ["the", "dog"], ["they", "see", "the", "dog"], ["dog"]] * 20,
    [["D", "N"], ["P", "V"], ["P", "V"], ["D", "N"], ["P", "V", "D", "N"], ["N"]] * 20,
)


def fitted(model):
    model.fit(TRAIN, TRAIN, 0)
    assert 0 < model.megabytes < 1
    return model


def test_the_most_frequent_tag_knows_no_neighbours():
    model = fitted(MostFrequentTag())
    assert model.predict([["the", "run"], ["unseen", "dog"]]) == [["D", "V"], ["N", "N"]]


def test_the_markov_model_does():
    model = fitted(HiddenMarkovModel())
    assert model.predict([["the", "run"], ["they", "run"]]) == [["D", "N"], ["P", "V"]]
    assert model.predict([["the", "unseen"]])[0] == ["D", "N"]


def test_an_unseen_word_has_the_tags_of_words_seen_once_that_look_like_it():
    """Verbs are rare and new, names common and always the same: nothing but the ending and the capital tells."""
    known = [["Ann", "dog"], ["N", "C"]]
    sentences = (
        [known[0]] * 30 + [[f"{stem}ing"] for stem in ("walk", "sleep", "sing")] + [["Bob"], ["Eve"], ["40"], ["7"]]
    )
    tags = [known[1]] * 30 + [["V"]] * 3 + [["N"]] * 2 + [["D"]] * 2
    model = HiddenMarkovModel()
    model.fit((sentences, tags), (sentences, tags), 0)
    assert model.predict([["jumping"], ["Kim"], ["1,999"], ["Ann", "dog"]]) == [["V"], ["N"], ["D"], ["N", "C"]]
    assert model.predict([["digit"], ["capital"]]) == model.predict([["xxyyz"], ["zzyyx"]])


def test_its_answers_are_the_likeliest_of_all():
    """Beside a search through all sequences of tags, with the probabilities counted anew."""
    draw = np.random.default_rng(0)
    words = [[str(w) for w in draw.integers(0, 4, draw.integers(1, 5))] for _ in range(60)]
    tags = [["AB"[(int(word) + draw.integers(2)) % 2] for word in sentence] for sentence in words]
    model = HiddenMarkovModel()
    model.fit((words, tags), (words, tags), 0)

    def likelihood(sentence, found):
        return model.tagger.log_probability(list(zip(sentence, found, strict=True)))

    for sentence, found in zip(words[:20], model.predict(words[:20]), strict=True):
        best = max(likelihood(sentence, list(f"{n:0{len(sentence)}b}".replace("0", "A").replace("1", "B")))
                   for n in range(2 ** len(sentence)))  # fmt: skip
        assert likelihood(sentence, found) == pytest.approx(best)
