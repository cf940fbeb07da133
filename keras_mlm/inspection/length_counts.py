"""How often each length occurs, and the percentiles of that."""

import numpy as np


class LengthCounts:
    """Counts lengths exactly; memory grows with the number of different ones, not with how many there are.

    Example:
        ```python
        counts = LengthCounts()
        counts.add(np.array([3, 9, 3]))
        counts.percentile(50)  # 3
        ```
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, lengths: np.ndarray) -> None:
        """Count some more.

        Args:
            lengths: int array `(runs,)`.
        """
        for length, count in zip(*(part.tolist() for part in np.unique(lengths, return_counts=True)), strict=True):
            self._counts[length] = self._counts.get(length, 0) + count

    @property
    def lengths(self) -> np.ndarray:
        """The different lengths in order, int64."""
        return np.array(sorted(self._counts), np.int64)

    @property
    def counts(self) -> np.ndarray:
        """How often each of `lengths` occurs, int64."""
        return np.array([self._counts[length] for length in sorted(self._counts)], np.int64)

    @property
    def number(self) -> int:
        """How many lengths were counted."""
        return sum(self._counts.values())

    @property
    def mean(self) -> float:
        """Their mean; 0 where none was counted."""
        return float(self.lengths @ self.counts) / max(1, self.number)

    def percentile(self, percent: float) -> int:
        """Return the smallest length that at least so many percent of all do not exceed.

        Args:
            percent: float from 0 to 100.

        Returns:
            int; 0 where none was counted.
        """
        if not self._counts:
            return 0
        reached = np.cumsum(self.counts)
        # In whole numbers: a rounded share must not decide which length it is.
        wanted = -(-percent * reached[-1] // 100)
        return int(self.lengths[np.searchsorted(reached, max(1, wanted))])
