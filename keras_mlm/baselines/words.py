"""Texts as words and n-grams, for the systems from before BERT."""

import re
from collections.abc import Iterator, Sequence

from keras_mlm.errors import InputError

EXTRA = "pip install 'keras-mlm[baselines]'"

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# A Chinese character, a run of other letters and digits, or a sign.
_TOKENS = re.compile(f"[{_HAN}]|[^\\W{_HAN}]+|[^\\w\\s]")
_CHINESE = re.compile(f"[{_HAN}]+")


def parts(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return a text or a pair of texts as a tuple of str."""
    return (text,) if isinstance(text, str) else tuple(text)


def words(text: str) -> list[str]:
    """Return lower-cased words, numbers and signs; Chinese is cut into words by rjieba."""
    tokens: list[str] = []
    end = 0
    for run in _CHINESE.finditer(text):
        tokens += _TOKENS.findall(text[end : run.start()].lower())
        tokens += _segmented(run[0])
        end = run.end()
    return tokens + _TOKENS.findall(text[end:].lower())


def _segmented(run: str) -> list[str]:
    try:
        import rjieba
    except ImportError:
        raise InputError(f"words of Chinese text need rjieba: {EXTRA}") from None
    return list(rjieba.cut(run, False))


class NGrams:
    """Texts or pairs as n-grams: of words, in Chinese of characters. Of a pair, those of each half and those of both.

    Args:
        longest: int, words or characters of the longest n-gram.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def __call__(self, text: str | tuple[str, str]) -> list[str]:
        """Return the n-grams of one text or pair."""
        found = [list(self._of(part)) for part in parts(text)]
        if len(found) == 1:
            return found[0]
        shared = set(found[0]) & set(found[1])
        marked = [f"{side}\t{gram}" for side, grams in zip("ab", found, strict=True) for gram in grams]
        return marked + [f"both\t{gram}" for gram in sorted(shared)]

    def _of(self, text: str) -> Iterator[str]:
        tokens = _TOKENS.findall(text.lower())
        for size in range(1, self.longest + 1):
            for start in range(len(tokens) - size + 1):
                yield " ".join(tokens[start : start + size])
