"""Sentences of words as rows of tokens, a long one in overlapping windows; each word is predicted exactly once."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class WordWindows(NamedTuple):
    """Encoded sentences. Words are numbered through all sentences, and each is predicted from one token of one row.

    Args:
        rows: list of dicts with `token_ids` and `segment_ids`, int32 `(tokens,)`, special tokens included.
        words: list of int arrays `(tokens,)`, for each row: which word is predicted from a token, -1 for none.
        splits: int array `(sentences + 1,)`, where each sentence begins among the words, and the end of the last.
    """

    rows: list[dict[str, np.ndarray]]
    words: list[np.ndarray]
    splits: np.ndarray

    def labels(self, numbers: Any) -> list[np.ndarray]:
        """Return the class numbers of all words as labels of tokens.

        Args:
            numbers: int array `(words,)`, the class numbers of all words.

        Returns:
            List of int32 arrays `(tokens,)`, one a row; -1 where there is nothing to learn.
        """
        # One more behind the last word, which -1 finds.
        padded = np.append(np.asarray(numbers, "int32"), np.int32(-1))
        return [padded[words] for words in self.words]

    def of_words(self, of_tokens: Sequence[np.ndarray]) -> np.ndarray:
        """Return what stands at the tokens that words are predicted from.

        Args:
            of_tokens: sequence of arrays `(at least tokens, classes)`, one a row.

        Returns:
            float32 array `(words, classes)`.
        """
        found = np.zeros((int(self.splits[-1]), of_tokens[0].shape[-1] if of_tokens else 0), "float32")
        for words, values in zip(self.words, of_tokens, strict=True):
            tokens = np.flatnonzero(words >= 0)
            found[words[tokens]] = values[tokens]
        return found


def word_windows(
    pieces: np.ndarray, piece_counts: np.ndarray, word_counts: Sequence[int], *, length: int, cls: int, sep: int
) -> WordWindows:
    """Return the rows of sentences, `[CLS]` and `[SEP]` around each.

    A word is predicted from its first piece. A sentence longer than a row becomes windows that share half of their
    tokens; each word is then predicted where its nearest cut is farthest away.

    Args:
        pieces: int array, ids of the pieces of all words.
        piece_counts: int array `(words,)`, pieces of each word, at least one.
        word_counts: sequence of int, words of each sentence.
        length: int, the longest row in tokens, special tokens included.
        cls: int, id of `[CLS]`.
        sep: int, id of `[SEP]`.

    Returns:
        `WordWindows`. A sentence without words has no row.
    """
    splits = np.concatenate([[0], np.cumsum(np.asarray(word_counts, int))])
    piece_splits = np.concatenate([[0], np.cumsum(piece_counts)])
    of_piece = np.full(len(pieces), -1)
    of_piece[piece_splits[:-1]] = np.arange(len(piece_counts))
    rows, words = [], []
    for begin, end in zip(piece_splits[splits[:-1]], piece_splits[splits[1:]], strict=True):
        for start, stop, first, last in _windows(int(end - begin), length - 2):
            here = slice(begin + start, begin + stop)
            token_ids = np.concatenate([[cls], pieces[here], [sep]]).astype("int32")
            mine = np.full(len(token_ids), -1)
            mine[1 + first - start : 1 + last - start] = of_piece[begin + first : begin + last]
            rows.append({"token_ids": token_ids, "segment_ids": np.zeros_like(token_ids)})
            words.append(mine)
    return WordWindows(rows, words, splits)


def _windows(pieces: int, room: int) -> Iterator[tuple[int, int, int, int]]:
    """Give the windows of a sentence: where each begins and ends, and from where to where it is the one that counts."""
    if pieces <= room:
        if pieces:
            yield 0, pieces, 0, pieces
        return
    count = 1 - -(pieces - room) // (room - room // 2)
    starts = np.arange(count) * (pieces - room) // (count - 1)
    # Between two windows, the middle of what they share is equally far from the cut of either.
    middles = (starts[1:] + starts[:-1] + room) // 2
    bounds = [0, *map(int, middles), pieces]
    for start, first, last in zip(map(int, starts), bounds[:-1], bounds[1:], strict=True):
        yield start, start + room, first, last
