"""Which row of a run is of which of several corpora: arithmetic on their weights."""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError

# The pattern of rows repeats; a longer one would take long to find, and means weights of many digits.
LONGEST_PERIOD = 100_000


@dataclasses.dataclass(frozen=True)
class Mixture:
    """The order in which an endless stream takes its rows from several corpora, each in its own order.

    After any number of rows, every corpus has had its share of them to within one row; after a period, exactly. It is
    the quota method for seats in a parliament that grows: a row goes to the corpus that is furthest behind of those
    that it would not bring above its share.

    Args:
        pattern: int32 array `(period,)`, the corpus of row r is `pattern[r % period]`.

    Example:
        ```python
        Mixture.of([0.7, 0.3]).pattern  # [0, 0, 1, 0, 0, 1, 0, 0, 1, 0]
        ```

    References:
        - [The quota method of apportionment](https://doi.org/10.1080/00029890.1975.11993911)
    """

    pattern: np.ndarray

    @classmethod
    def of(cls, weights: Sequence[float]) -> "Mixture":
        """Return the mixture of corpora with these weights, in relation to each other, as decimal numbers.

        Raises:
            InputError: the numbers have so many digits that the order hardly ever repeats.
        """
        exact = [Fraction(repr(float(weight))) for weight in weights]
        unit = math.lcm(*(weight.denominator for weight in exact))
        whole = [int(weight * unit) for weight in exact]
        whole = [number // math.gcd(*whole) for number in whole]
        period = sum(whole)
        if period > LONGEST_PERIOD:
            shown = ", ".join(f"{weight:g}" for weight in weights)
            raise InputError(f"the weights {shown} of the corpora have too many digits: round them to four")
        taken, pattern = [0] * len(whole), []
        for row in range(1, period + 1):
            below = [number for number, had in enumerate(taken) if had * period < whole[number] * row]
            chosen = max(below, key=lambda number: (Fraction(whole[number], taken[number] + 1), -number))
            taken[chosen] += 1
            pattern.append(chosen)
        return cls(np.array(pattern, np.int32))

    def rows_before(self, row: int) -> list[int]:
        """Return how many rows of each corpus there are before a row of the stream."""
        turns, rest = divmod(row, len(self.pattern))
        corpora = int(self.pattern.max()) + 1
        whole, part = (np.bincount(some, minlength=corpora) for some in (self.pattern, self.pattern[:rest]))
        return [int(turns * a + b) for a, b in zip(whole, part, strict=True)]

    def rows_of(self, corpus: int, positions: tf.Tensor) -> tf.Tensor:
        """Return the rows of the stream, int64, that a corpus' own rows at some positions, int64, come to be."""
        places = tf.constant(np.flatnonzero(self.pattern == corpus), tf.int64)
        turns = positions // tf.size(places, tf.int64)
        return turns * len(self.pattern) + tf.gather(places, positions % tf.size(places, tf.int64))

    def corpora(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the corpora, int64, of rows of the stream, int64."""
        return tf.gather(tf.constant(self.pattern, tf.int64), rows % len(self.pattern))
