"""The most probable tags that may follow each other."""

from collections.abc import Sequence

import numpy as np

from keras_mlm.tag_scheme import OUTSIDE, is_legal, scheme_of

# As a penalty rather than minus infinity, so that a set of tags without any legal path still gets one.
_ILLEGAL = -1e6


class TagDecoder:
    """Finds the most probable tags of a sentence: of all legal ones where tags spell spans, else word by word.

    Args:
        classes: sequence of str, the tags, in the order of the probabilities.

    Example:
        ```python
        decoder = TagDecoder(["B-PER", "I-PER", "O"])
        decoder.decode(np.log([[0.1, 0.6, 0.3], [0.1, 0.8, 0.1]]))  # [0, 1]: I- cannot be the first
        ```

    References:
        - [Viterbi, 1967](https://doi.org/10.1109/TIT.1967.1054010)
    """

    def __init__(self, classes: Sequence[str]) -> None:
        scheme = scheme_of(classes)

        def cost(previous: str, tag: str) -> float:
            return 0.0 if scheme is None or is_legal(previous, tag, scheme) else _ILLEGAL

        # From one class (row) to the next (column), and from and to what stands around a sentence.
        self._between = np.array([[cost(one, other) for other in classes] for one in classes])
        self._first = np.array([cost(OUTSIDE, tag) for tag in classes])
        self._last = np.array([cost(tag, OUTSIDE) for tag in classes])

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Return the classes of one sentence whose scores have the largest sum.

        Args:
            scores: float array `(words, classes)`, logarithms of probabilities.

        Returns:
            Int array `(words,)`.
        """
        best = scores.argmax(axis=1)
        if not len(best) or self._is_legal(best):
            return best  # nothing scores higher than each word's own best
        total = scores[0] + self._first
        pointers = np.empty(scores.shape, int)
        for place in range(1, len(scores)):
            candidates = total[:, None] + self._between
            pointers[place] = candidates.argmax(axis=0)
            total = candidates[pointers[place], np.arange(len(total))] + scores[place]
        best[-1] = (total + self._last).argmax()
        for place in range(len(scores) - 1, 0, -1):
            best[place - 1] = pointers[place, best[place]]
        return best

    def _is_legal(self, classes: np.ndarray) -> bool:
        between = self._between[classes[:-1], classes[1:]]
        return not (self._first[classes[0]] or self._last[classes[-1]] or between.any())
