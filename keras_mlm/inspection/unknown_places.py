"""What stands around [UNK]: the word itself is gone from the records, its neighbours are not."""

import heapq

import numpy as np

from keras_mlm.inspection.token_hashes import mix

# Tokens on each side of an [UNK] that is shown.
_AROUND = 6


class UnknownPlaces:
    """Counts the neighbours of a token inside its sentence, exactly, and keeps a random few of its contexts.

    Args:
        unk_token_id: int.
        vocabulary_size: int.
        examples: int, how many contexts to keep. Defaults to `5`.

    Attributes:
        before: int64 array `(vocabulary_size,)`, how often each token stands before it.
        after: int64 array `(vocabulary_size,)`, how often behind it.

    Example:
        ```python
        places = UnknownPlaces(unk_token_id=1, vocabulary_size=8000)
        places.add(np.array([7, 1, 9]), np.ones(3, bool), np.array([True, False, False]), first_place=0)
        places.before[7], places.after[9]  # 1, 1
        ```
    """

    def __init__(self, unk_token_id: int, vocabulary_size: int, examples: int = 5) -> None:
        self._unk_token_id = unk_token_id
        self._examples = examples
        self.before = np.zeros(vocabulary_size, np.int64)
        self.after = np.zeros(vocabulary_size, np.int64)
        self._kept: list[tuple[int, int, list[int]]] = []  # a heap, the largest hash first

    def add(
        self, token_ids: np.ndarray, word_starts: np.ndarray, sentence_starts: np.ndarray, first_place: int
    ) -> None:
        """Count some more tokens, whole sentences of them.

        Args:
            token_ids: int array `(tokens,)`.
            word_starts: bool array `(tokens,)`.
            sentence_starts: bool array `(tokens,)`.
            first_place: int, the place of the first one; that of every token of a corpus is another.
        """
        unknown = np.flatnonzero(token_ids == self._unk_token_id)
        if not len(unknown):
            return
        size = len(self.before)
        behind = unknown[~sentence_starts[unknown]] - 1
        ahead = unknown[unknown + 1 < len(token_ids)] + 1
        ahead = ahead[~sentence_starts[ahead]]
        self.before += np.bincount(token_ids[behind], minlength=size)
        self.after += np.bincount(token_ids[ahead], minlength=size)
        hashes = mix(unknown + first_place, np.zeros_like(unknown))
        for number in np.argsort(hashes)[: self._examples]:
            context = _context(token_ids, word_starts, sentence_starts, int(unknown[number]))
            entry = (-int(hashes[number]), first_place + int(unknown[number]), context)
            if len(self._kept) < self._examples:
                heapq.heappush(self._kept, entry)
            else:
                heapq.heappushpop(self._kept, entry)

    @property
    def contexts(self) -> list[list[int]]:
        """The contexts, ids of tokens, in the order of the corpus."""
        return [context for _, _, context in sorted(self._kept, key=lambda entry: entry[1])]


def _context(token_ids: np.ndarray, word_starts: np.ndarray, sentence_starts: np.ndarray, place: int) -> list[int]:
    """Return what stands around a token in its sentence, whole words where there is room for them."""
    begin, end = max(0, place - _AROUND), min(len(token_ids), place + _AROUND + 1)
    starts = np.flatnonzero(sentence_starts[begin : place + 1])
    begin += int(starts[-1]) if len(starts) else 0
    following = np.flatnonzero(sentence_starts[place + 1 : end])
    end = place + 1 + int(following[0]) if len(following) else end
    words = np.flatnonzero(word_starts[begin : place + 1])
    begin += int(words[0]) if len(words) else 0
    if end < len(token_ids) and not word_starts[end] and not sentence_starts[end]:
        words = np.flatnonzero(word_starts[place + 1 : end])
        end = place + 1 + int(words[-1]) if len(words) else end
    return [int(token_id) for token_id in token_ids[begin:end]]
