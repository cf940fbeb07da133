"""Who says where the words of a text are, and of what kind: a segmenter or a tagger, and the words it found."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from keras_mlm.errors import InputError


@dataclasses.dataclass(frozen=True)
class Annotator:
    """Finds the words of texts and, if it can, their parts of speech.

    Args:
        name: str, name and version: what makes a prepared corpus differ from one with other words.
        annotate: callable from a list of texts to their words, a sequence of str for each text, and their tags, the
            same of tags or `None`. Words are as they are written in the text, in its order.

    Example:
        ```python
        annotator = Annotator("spaces 1", lambda texts: ([text.split() for text in texts], None))
        prepare_corpus(read_documents(["news.txt"]), "data/news", annotator=annotator)
        ```
    """

    name: str
    annotate: Callable[[list[str]], tuple[Sequence[Sequence[str]], Sequence[Sequence[str]] | None]]

    def words(self, texts: list[str]) -> "AnnotatedWords":
        """Return the words of texts and where they stand.

        Args:
            texts: list of str.

        Returns:
            `AnnotatedWords`.

        Raises:
            InputError: the annotator returns other text than it got, or another number of texts or tags.
        """
        words, tags = self.annotate(texts)
        if len(words) != len(texts) or (tags is not None and len(tags) != len(texts)):
            raise InputError(f"the annotator {self.name} got {len(texts):,} texts and returned {len(words):,}")
        starts: list[int] = []
        kinds: list[str] = []
        counts = np.zeros(len(texts), np.int64)
        for number, text in enumerate(texts):
            of_text = [""] * len(words[number]) if tags is None else tags[number]
            if len(of_text) != len(words[number]):
                raise InputError(
                    f"the annotator {self.name} returned {len(words[number])} words and {len(of_text)} tags of {text!r}"
                )
            end = 0
            for word, tag in zip(words[number], of_text, strict=True):
                if not word.strip():
                    continue
                start = text.find(word, end)
                if start < 0 or _has_letters(text[end:start]):
                    raise InputError(
                        f"the annotator {self.name} returned {word!r}, which is not what comes next in {_short(text)!r}"
                    )
                end = start + len(word)
                starts.append(start)
                kinds.append(tag)
                counts[number] += 1
            if _has_letters(text[end:]):
                raise InputError(f"the annotator {self.name} left out {_short(text[end:])!r} of {_short(text)!r}")
        splits = np.concatenate([[0], np.cumsum(counts)])
        return AnnotatedWords(np.array(starts, np.int64), splits, None if tags is None else kinds)


class AnnotatedWords(NamedTuple):
    """The words of several texts, one text's behind another's.

    Args:
        starts: int64 array `(words,)`, the first character of each word in its text.
        splits: int64 array `(texts + 1,)`, where the words of each text begin.
        tags: list of str, the words' parts of speech, or `None`.
    """

    starts: np.ndarray
    splits: np.ndarray
    tags: list[str] | None


def chinese_annotator() -> Annotator:
    """Return the words and parts of speech that jieba's dictionary and model give; other scripts in words as written.

    Raises:
        InputError: rjieba is not installed.

    References:
        - [jieba](https://github.com/fxsjy/jieba), in Rust: [rjieba](https://github.com/messense/rjieba-py)
    """
    try:
        from importlib.metadata import version

        import rjieba
    except ImportError:
        raise InputError("words of Chinese text need rjieba: pip install 'keras-mlm[words]'") from None

    def annotate(texts: list[str]) -> tuple[list[list[str]], list[list[str]]]:
        tagged = [rjieba.tag(text) for text in texts]
        return [[word for word, _ in pairs] for pairs in tagged], [[tag for _, tag in pairs] for pairs in tagged]

    return Annotator(f"rjieba {version('rjieba')}", annotate)


def _has_letters(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
