"""Leaves out documents in other languages."""

from collections.abc import Iterable, Iterator, Sequence

from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut, start_of
from keras_mlm.errors import InputError

# A document's language is told from its beginning.
_CHARACTERS = 2000
# Less says too little: whatever seems foreign in it is kept.
_FEWEST_LETTERS = 20
_CONFIDENCE = 0.9
# What a language model finds in numbers and markup, and what it says where it does not know.
_NO_LANGUAGE = ("zxx", "und")


class LanguageFilter:
    """Tells which documents are in one of some languages.

    Args:
        languages: sequence of str, codes of ISO 639 such as `"en"` and `"zh"`.

    Raises:
        InputError: a code is not known; the message lists those that are.

    Example:
        ```python
        LanguageFilter(["en"]).language_of("The cat sat on the mat and looked at us.")  # "en"
        ```

    References:
        - [Lui and Baldwin, 2012](https://aclanthology.org/P12-3005), as py3langid.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        try:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
        except ImportError:
            raise InputError("languages are told by py3langid: pip install 'keras-mlm[cleaning]'") from None
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=_CONFIDENCE)
        known = sorted({*self._identifier.labels} - {*_NO_LANGUAGE})
        for language in languages:
            if language not in known:
                raise InputError(f"no language {language!r} is known: there are {', '.join(known)}")
        self._languages = frozenset(languages)

    def language_of(self, text: str) -> str | None:
        """Return the code of a text's language; `None` where the text is too short or too mixed to tell."""
        start = text[:_CHARACTERS]
        if sum(map(str.isalpha, start)) < _FEWEST_LETTERS:
            return None
        language = self._identifier.classify(start)[0]
        return None if language in _NO_LANGUAGE else str(language)

    def keep(self, documents: Iterable[Document], left_out: LeftOut) -> Iterator[Document]:
        """Leave out documents in other languages, counted as `"foreign_documents"`.

        Those whose language cannot be told are kept, and counted as `"documents_kept_in_unknown_language"`.

        Args:
            documents: iterable of `Document`.
            left_out: `LeftOut` that counts.
        """
        for document in documents:
            language = self.language_of(document.text)
            if language is None:
                left_out.add("documents_kept_in_unknown_language", document.place, start_of(document.text))
            elif language not in self._languages:
                left_out.add("foreign_documents", f"{document.place}, {language}", start_of(document.text))
                continue
            yield document
