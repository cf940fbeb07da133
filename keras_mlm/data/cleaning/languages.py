"""Leaves out documents in other languages."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut, start_of
from keras_mlm.errors import InputError

# A document's language is told from so much of its beginning, which may be a motto, and of its middle.
_CHARACTERS = 1000
# Less says too little: whatever seems foreign in it is kept.
_FEWEST_LETTERS = 20
# With such a probability of being in none of the languages, a text is left out, or surely is in one of them.
_FOREIGN, _OWN = 0.9, 0.1
# What is found in numbers and markup.
_NO_LANGUAGE = "zxx"
# Written Chinese seldom tells which Chinese it is.
_CHINESE = ("zh", "yue", "wuu")


@functools.cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise InputError("languages are told by py3langid: pip install 'keras-mlm[cleaning]'") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class LanguageFilter:
    """Tells which documents are in one of some languages.

    Args:
        languages: sequence of str, codes of ISO 639 such as `"en"` and `"zh"`.

    Raises:
        InputError: a code is not known; the message lists those that are.

    Example:
        ```python
        LanguageFilter(["en"]).judge("Der Hund liegt vor der Tür und schläft.")  # ("foreign", "de")
        ```

    References:
        - [Lui and Baldwin, 2012](https://aclanthology.org/P12-3005), as py3langid.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        self._identifier = _identifier()
        known = sorted({*self._identifier.labels} - {_NO_LANGUAGE})
        for language in languages:
            if language not in known:
                raise InputError(f"no language {language!r} is known: there are {', '.join(known)}")
        self._languages = frozenset([*languages, *(_CHINESE if "zh" in languages else ())])

    def judge(self, text: str) -> tuple[Literal["own", "foreign", "unknown"], str]:
        """Return whether a text is in one of the languages, and its most likely language.

        Args:
            text: str, of which a thousand characters at the beginning and in the middle decide.

        Returns:
            `"own"`, `"foreign"`, or `"unknown"` where the text is too short or too mixed to tell; and a code.
        """
        middle = max(_CHARACTERS, len(text) // 2)
        looked_at = text[:_CHARACTERS] + text[middle : middle + _CHARACTERS]
        shares = dict(self._identifier.rank(looked_at))
        language = str(max(shares, key=shares.__getitem__))
        foreign = 1 - sum(shares[own] for own in self._languages)
        if sum(map(str.isalpha, looked_at)) < _FEWEST_LETTERS or language == _NO_LANGUAGE or _OWN < foreign < _FOREIGN:
            return "unknown", language
        return ("own" if foreign <= _OWN else "foreign"), language

    def keep(self, documents: Iterable[Document], left_out: LeftOut) -> Iterator[Document]:
        """Leave out documents in other languages, counted as `"foreign_documents"`.

        Those whose language cannot be told are kept, and counted as `"documents_kept_in_unknown_language"`.

        Args:
            documents: iterable of `Document`.
            left_out: `LeftOut` that counts.
        """
        for document in documents:
            verdict, language = self.judge(document.text)
            if verdict != "own":
                reason = "foreign_documents" if verdict == "foreign" else "documents_kept_in_unknown_language"
                left_out.add(reason, f"{document.place}, {language}", start_of(document.text))
            if verdict != "foreign":
                yield document
