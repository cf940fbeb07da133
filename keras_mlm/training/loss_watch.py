"""Tells a loss that has gone wrong from one that only wavers."""

import math

# Steps until the mean and the deviation are known well enough, and over how many they are taken.
_STEPS = 100
# A step is a spike where its loss is so many deviations, and so many times the mean, above the mean.
_DEVIATIONS, _FACTOR = 10.0, 1.5


class LossWatch:
    """Follows the loss of every step and says when one is no finite number or a spike.

    Example:
        ```python
        watch = LossWatch()
        watch.problem(float("nan"))  # "is no finite number"
        ```
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as after a reload."""
        self._steps = 0
        self._mean = 0.0
        self._variance = 0.0

    def problem(self, loss: float) -> str | None:
        """Return what is wrong with the loss of a step, or `None`; good ones are remembered."""
        if not math.isfinite(loss):
            return "is no finite number"
        limit = max(self._mean + _DEVIATIONS * math.sqrt(self._variance), _FACTOR * self._mean)
        if self._steps >= _STEPS and loss > limit:
            return f"jumps to {loss:.3g}, from {self._mean:.3g} on average,"
        self._steps += 1
        share = max(1.0 / self._steps, 1.0 / _STEPS)
        difference = loss - self._mean
        self._mean += share * difference
        self._variance = (1.0 - share) * (self._variance + share * difference**2)
        return None
