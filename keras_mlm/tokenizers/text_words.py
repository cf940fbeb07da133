"""The words of texts as a tokenizer splits them, and where they stand in the original."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# The joiner of emoji, and what selects between the forms of a character.
_JOINING = {"\u200d", "\ufe0e", "\ufe0f"}


class TextWords(NamedTuple):
    """The words of several texts, numbered through.

    Args:
        token_ids: int32 array `(pieces,)`, the pieces of all words.
        piece_counts: int array `(words,)`, how many pieces each word has, at least one.
        word_counts: int array `(texts,)`, how many words each text has.
        starts: int array `(words,)`, the first character of the word in its text.
        ends: int array `(words,)`, one past its last character. `text[start:end]` is the word as it was written.
    """

    token_ids: np.ndarray
    piece_counts: np.ndarray
    word_counts: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def text_words(
    texts: Sequence[str],
    token_ids: np.ndarray,
    word_starts: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    splits: np.ndarray,
) -> TextWords:
    """Return the words of tokens, see `WordPieceTokenizer.words`.

    Words do not overlap: tokens that one character was folded into (`½` becomes three) are one word. A mark that
    normalisation drops belongs to the character it stands on.

    Args:
        texts: sequence of str, as they were tokenized.
        token_ids: int32 array `(tokens,)` of all texts.
        word_starts: bool array `(tokens,)`.
        starts: int array `(tokens,)`, in the text, in characters.
        ends: int array `(tokens,)`.
        splits: int array `(texts + 1,)`, where each text begins among the tokens.

    Returns:
        `TextWords`.
    """
    text_of = np.repeat(np.arange(len(texts)), np.diff(splits))
    # Far enough apart that no token of one text lies before the end of another.
    width = int(ends.max(initial=0)) + 1
    reached = np.maximum.accumulate(ends + text_of * width) if len(ends) else ends
    new_text = np.append(True, text_of[1:] != text_of[:-1])[: len(text_of)]
    apart = np.append(True, (starts + text_of * width)[1:] >= reached[:-1])[: len(text_of)]
    first = np.flatnonzero((word_starts & apart) | new_text)
    piece_counts = np.diff(np.append(first, len(token_ids)))
    word_ends = reached[np.append(first[1:], len(token_ids)) - 1] - text_of[first] * width if len(first) else first
    word_counts = np.bincount(text_of[first], minlength=len(texts))
    first_character = starts[first]
    word_ends = _with_marks(texts, first_character, word_ends, word_counts)
    return TextWords(token_ids, piece_counts, word_counts, first_character, word_ends)


def _with_marks(texts: Sequence[str], starts: np.ndarray, ends: np.ndarray, word_counts: np.ndarray) -> np.ndarray:
    ends = ends.copy()
    last = np.cumsum(word_counts)
    for text, begin, stop in zip(texts, last - word_counts, last, strict=True):
        if text.isascii():
            continue
        for word in range(begin, stop):
            end, limit = ends[word], starts[word + 1] if word + 1 < stop else len(text)
            while end < limit and (text[end] in _JOINING or unicodedata.category(text[end]) in ("Mn", "Me")):
                end += 1
            ends[word] = end
    return ends
