"""Probabilities that mean what they say: a temperature, and how far off they are."""

from typing import Any

import numpy as np


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature at which logits give the labels of held-out examples the highest likelihood.

    The loss is convex in 1 / temperature, so its minimum is where its slope is 0, which is bisected for.

    Args:
        logits: float `(texts, classes)`, not of the examples that the model has learned from.
        labels: class numbers, int `(texts,)`; or float `(texts, classes)`, 1 for each class that a text has.

    Returns:
        float between 0.05 and 20.

    Example:
        ```python
        model.temperature = fit_temperature(model.text_logits(rows), model.class_numbers(labels))
        ```

    References:
        - [On calibration of modern neural networks](https://arxiv.org/abs/1706.04599)
    """
    logits = np.asarray(logits, "float64")
    several = np.ndim(labels) == 2
    truth = np.asarray(labels, "float64") if several else np.eye(logits.shape[1])[labels]

    def slope(inverse: float) -> float:
        return float(np.sum(logits * (probabilities(logits * inverse, several) - truth)))

    low, high = np.log(0.05), np.log(20.0)  # of 1 / temperature
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(np.exp(middle)) <= 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def probabilities(logits: Any, several: bool) -> np.ndarray:
    """Return softmax, or sigmoid where a text may have several classes, in float64."""
    logits = np.asarray(logits, "float64")
    if several:
        return 0.5 * (1.0 + np.tanh(0.5 * logits))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def expected_calibration_error(given: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return how far the probability of the answer lies from the share of right answers, in the mean.

    Args:
        given: float `(texts, classes)`, probabilities.
        labels: as in `fit_temperature`; where a text may have several classes, each of them is an answer of its own.
        bins: int, groups of about equal probability. Defaults to `15`.

    Returns:
        float in [0, 1]; 0 is calibrated.

    References:
        - [On calibration of modern neural networks](https://arxiv.org/abs/1706.04599), section 2
    """
    if np.ndim(labels) == 2:
        sure, right = np.ravel(given), np.ravel(labels) > 0
    else:
        sure, right = given.max(axis=1), given.argmax(axis=1) == labels
    group = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = np.bincount(group, weights=sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))
