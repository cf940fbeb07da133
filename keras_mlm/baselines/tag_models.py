"""The most frequent tag of each word and a hidden Markov model, both of nltk."""

import pickle
from typing import Any

from keras_mlm.baselines.words import EXTRA
from keras_mlm.errors import InputError

# What is added to every count: the one that is best on dev.
_ADDED = (0.001, 0.01, 0.1)


class MostFrequentTag:
    """Gives each word the tag that it has most often, and unknown words the most frequent one."""

    def fit(self, train: tuple[list[Any], list[Any]], dev: tuple[list[Any], list[Any]], seed: int) -> None:
        """Learn from sentences of words and their tags."""
        nltk = _nltk()
        usual = nltk.FreqDist(tag for tags in train[1] for tag in tags).max()
        self.tagger: Any = nltk.tag.UnigramTagger(_pairs(*train), backoff=nltk.tag.DefaultTagger(usual))

    def predict(self, sentences: list[Any]) -> list[list[str]]:
        """Return the tags of sentences of words."""
        return [[tag for _, tag in self.tagger.tag(words)] for words in sentences]

    @property
    def megabytes(self) -> float:
        """The size of what has been learned."""
        return len(pickle.dumps(self.tagger)) / 1e6


class HiddenMarkovModel(MostFrequentTag):
    """Gives a sentence the tags that are likeliest together: which tag follows which, which word has which tag."""

    def fit(self, train: tuple[list[Any], list[Any]], dev: tuple[list[Any], list[Any]], seed: int) -> None:
        """Learn from sentences of words and their tags; keep what is best on those of dev."""
        _nltk()
        from nltk.probability import LidstoneProbDist
        from nltk.tag.hmm import HiddenMarkovModelTrainer

        best = -1
        for added in _ADDED:

            def estimator(counts: Any, bins: int, added: float = added) -> Any:
                return LidstoneProbDist(counts, added, bins)

            tagger = HiddenMarkovModelTrainer().train_supervised(_pairs(*train), estimator=estimator)
            found = [[tag for _, tag in tagger.tag(words)] for words in dev[0]]
            right = sum(
                a == b for one, other in zip(found, dev[1], strict=True) for a, b in zip(one, other, strict=True)
            )
            if right > best:
                best, self.tagger = right, tagger

    @property
    def megabytes(self) -> float:
        """The size of its two tables, as float32."""
        return 4 * len(self.tagger._states) * (len(self.tagger._states) + len(self.tagger._symbols)) / 1e6


def _pairs(sentences: list[Any], tags: list[Any]) -> list[list[tuple[str, str]]]:
    return [list(zip(words, of_words, strict=True)) for words, of_words in zip(sentences, tags, strict=True)]


def _nltk() -> Any:
    try:
        import nltk
        import nltk.tag
    except ImportError:
        raise InputError(f"taggers from before BERT need nltk: {EXTRA}") from None
    return nltk
