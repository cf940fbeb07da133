"""A hash of whole arrays of numbers, the same on every machine."""

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
