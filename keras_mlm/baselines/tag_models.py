"""The most frequent tag of each word and a hidden Markov model, both of nltk."""

import collections
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
    """Gives a sentence the tags that are likeliest together: which tag follows which, which word has which tag.

    A word that training has not seen counts as what it looks like, its last letters, a capital or a digit. Which tags
    such words have is learned from those seen once: every sentence counts twice, as it is and with these replaced.
    """

    def fit(self, train: tuple[list[Any], list[Any]], dev: tuple[list[Any], list[Any]], seed: int) -> None:
        """Learn from sentences of words and their tags; keep what is best on those of dev."""
        _nltk()
        from nltk.probability import LidstoneProbDist
        from nltk.tag.hmm import HiddenMarkovModelTrainer

        counts = collections.Counter(word for words in train[0] for word in words)
        self.words = set(counts)
        once = {word for word, count in counts.items() if count == 1}
        # An ending that only one of those has says nothing: what remains is whether there is a capital.
        looks = collections.Counter(map(_look, once))
        self.looks = {look for look, count in looks.items() if count > 1}
        unseen = [[self._look(word) if word in once else word for word in words] for words in train[0]]
        pairs = _pairs(train[0], train[1]) + _pairs(unseen, train[1])
        best = -1
        for added in _ADDED:

            def estimator(counts: Any, bins: int, added: float = added) -> Any:
                return LidstoneProbDist(counts, added, bins)

            tagger = HiddenMarkovModelTrainer().train_supervised(pairs, estimator=estimator)
            found = self._tagged(tagger, dev[0])
            right = sum(
                a == b for one, other in zip(found, dev[1], strict=True) for a, b in zip(one, other, strict=True)
            )
            if right > best:
                best, self.tagger = right, tagger

    def predict(self, sentences: list[Any]) -> list[list[str]]:
        """Return the tags of sentences of words."""
        return self._tagged(self.tagger, sentences)

    def _tagged(self, tagger: Any, sentences: list[Any]) -> list[list[str]]:
        known = ([word if word in self.words else self._look(word) for word in words] for words in sentences)
        return [[tag for _, tag in tagger.tag(words)] for words in known]

    def _look(self, word: str) -> tuple[str, ...]:
        look = _look(word)
        return look if look in self.looks else look[:1]

    @property
    def megabytes(self) -> float:
        """The size of its two tables, as float32."""
        return 4 * len(self.tagger._states) * (len(self.tagger._states) + len(self.tagger._symbols)) / 1e6


def _look(word: str) -> tuple[str, ...]:
    """Return what a word looks like, which is no str, so that no word is taken for it."""
    if any(character.isdigit() for character in word):
        return ("digit",)
    ending = word[-3:].lower() if word.isascii() else word[-1]
    return ("capital" if word[0].isupper() else "", ending)


def _pairs(sentences: list[Any], tags: list[Any]) -> list[list[tuple[Any, str]]]:
    return [list(zip(words, of_words, strict=True)) for words, of_words in zip(sentences, tags, strict=True)]


def _nltk() -> Any:
    try:
        import nltk
        import nltk.tag
    except ImportError:
        raise InputError(f"taggers from before BERT need nltk: {EXTRA}") from None
    return nltk
