"""One guess for one mask."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A token that could stand in a mask's place, and how probable the model finds it.

    Args:
        token: str, a token of the vocabulary; pieces that continue a word begin with `##`.
        score: float in [0, 1], the probability; those of the whole vocabulary sum to 1.
    """

    token: str
    score: float
