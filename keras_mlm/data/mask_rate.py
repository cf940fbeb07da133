"""The share of tokens to predict, over a run."""

import dataclasses
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class MaskRate:
    """A rate of masks that goes evenly from one value to another and stays there: a function of the step alone.

    Args:
        first: float in (0, 1), the rate of step 0.
        last: float in (0, 1), the rate of step `steps` and all later ones.
        steps: int, at least 1.

    Example:
        ```python
        MaskRate(0.3, 0.15, steps=1000)(500)  # 0.225
        ```

    References:
        - [Dynamic masking rate schedules](https://arxiv.org/abs/2305.15096)
    """

    first: float
    last: float
    steps: int

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the rates of steps, whole numbers of any shape, as float64."""
        return self.first + (self.last - self.first) * tf.minimum(tf.cast(step, tf.float64) / self.steps, 1.0)
