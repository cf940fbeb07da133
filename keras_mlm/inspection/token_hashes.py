"""Hashes of runs of tokens, computed for many runs at once."""

import numpy as np


def mix(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return a uint64 hash of each number and the position it has.

    References:
        - [SplitMix64](https://doi.org/10.1145/2714064.2660195)
    """
    x = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + positions.astype(np.uint64) * np.uint64(
        0xD1342543DE82EF95
    )
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


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
