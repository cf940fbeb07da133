"""Hashes of runs of tokens, computed for many runs at once."""

import numpy as np

from keras_mlm.data.integer_hash import mix


def run_hashes(token_ids: np.ndarray, starts: np.ndarray, before: int = 0) -> np.ndarray:
    """Return a hash of each run: the sum over its tokens, so that the parts of a run can be hashed apart and added.

    Args:
        token_ids: int array `(tokens,)`.
        starts: int array `(runs,)`, where the runs begin, rising, the first at 0.
        before: int, how many tokens of the first run came earlier. Defaults to `0`.

    Returns:
        uint64 array `(runs,)`.

    Example:
        ```python
        run_hashes(np.array([7, 8, 7, 8]), np.array([0, 2]))  # two equal numbers
        ```
    """
    begins = starts.copy()
    begins[:1] -= before
    lengths = np.diff(np.append(starts, len(token_ids)))
    positions = np.arange(len(token_ids)) - np.repeat(begins, lengths)
    return np.add.reduceat(mix(token_ids, positions), starts)
