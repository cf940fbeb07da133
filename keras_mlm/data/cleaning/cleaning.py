"""What is done to documents before they are cut into sentences."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keras_mlm.data.cleaning.languages import LanguageFilter
from keras_mlm.data.cleaning.near_repeats import without_near_repeats
from keras_mlm.data.cleaning.redaction import check_kinds, redact_documents
from keras_mlm.data.cleaning.repeats import without_repeated_documents, without_repeated_lines
from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut, start_of
from keras_mlm.errors import InputError


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """What is left out of a corpus or changed in it, besides exact copies of documents; by default nothing.

    The order is: redaction, length, language, copies of documents, near copies, copies of lines. What each did is
    counted, the first five of each are kept as samples.

    Args:
        redact: sequence of str, of `"emails"`, `"phones"`, `"cn_ids"` and `"bank_cards"`: these become words, see
            `redact`. Defaults to none.
        min_characters: int, documents with fewer are left out. Defaults to `1`.
        max_characters: int, documents with more are left out, or `None`. Defaults to `None`.
        languages: sequence of str, such as `"en"` and `"zh"`: documents that are surely in others are left out.
            Defaults to none, which keeps all.
        drop_repeated_lines: bool, whether lines of eight words or more that were there before are left out. Defaults to
            `False`.
        drop_near_repeats: float above 0, at most 1: documents are left out that have such a share of their runs of five
            words (Chinese: characters) in common with an earlier one; or `None`. Defaults to `None`.

    Raises:
        InputError: a value out of its range, a language or kind that is not known, or a package that is not installed.

    Example:
        ```python
        cleaning = Cleaning(redact=["emails", "phones"], languages=["en", "zh"], drop_near_repeats=0.8)
        prepare_corpus(read_documents(["news.txt"]), "data/news", cleaning=cleaning)
        ```
    """

    redact: Sequence[str] = ()
    min_characters: int = 1
    max_characters: int | None = None
    languages: Sequence[str] = ()
    drop_repeated_lines: bool = False
    drop_near_repeats: float | None = None

    def __post_init__(self) -> None:
        if self.min_characters < 1:
            raise InputError(f"min_characters must be at least 1, not {self.min_characters}")
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise InputError(
                f"max_characters must be at least min_characters, {self.min_characters}, not {self.max_characters}"
            )
        if self.drop_near_repeats is not None and not 0 < self.drop_near_repeats <= 1:
            raise InputError(f"drop_near_repeats must be above 0 and at most 1, not {self.drop_near_repeats}")
        check_kinds(self.redact)
        if self.languages:
            LanguageFilter(self.languages)

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as plain data: equal settings clean alike."""
        settings = {**dataclasses.asdict(self), "redact": sorted(self.redact), "languages": sorted(self.languages)}
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return {name: value for name, value in settings.items() if value != [] and value != defaults[name]}

    def clean(self, documents: Iterable[Document], left_out: LeftOut) -> Iterator[Document]:
        """Stream what is kept of documents.

        Args:
            documents: iterable of `Document`, read once.
            left_out: `LeftOut`, counts what is not kept.

        Returns:
            Iterator of `Document`, in the same order.
        """
        if self.redact:
            left_out.expect(*(f"redacted_{kind}" for kind in self.redact))
            documents = redact_documents(documents, self.redact, left_out)
        if self.min_characters > 1 or self.max_characters is not None:
            left_out.expect("short_documents", "long_documents")
            documents = self._of_length(documents, left_out)
        if self.languages:
            left_out.expect("foreign_documents", "documents_kept_in_unknown_language")
            documents = LanguageFilter(self.languages).keep(documents, left_out)
        if self.drop_near_repeats is not None or self.drop_repeated_lines:
            documents = without_repeated_documents(documents, left_out)
        if self.drop_near_repeats is not None:
            left_out.expect("near_duplicate_documents")
            documents = without_near_repeats(documents, self.drop_near_repeats, left_out)
        if self.drop_repeated_lines:
            left_out.expect("repeated_lines", "emptied_documents")
            documents = without_repeated_lines(documents, left_out)
        return iter(documents)

    def _of_length(self, documents: Iterable[Document], left_out: LeftOut) -> Iterator[Document]:
        for document in documents:
            characters = len(document.text)
            if characters < self.min_characters:
                left_out.add("short_documents", document.place, start_of(document.text))
            elif self.max_characters is not None and characters > self.max_characters:
                left_out.add("long_documents", f"{document.place}, {characters:,} characters", start_of(document.text))
            else:
                yield document
