import numpy as np
import pytest

from keras_mlm.evaluation.calibration import expected_calibration_error, fit_temperature, probabilities


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_the_temperature_that_labels_were_drawn_with_is_found(several, temperature):
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 3, (20000, 4))
    shares = probabilities(logits / temperature, several)
    labels = (draw.random(shares.shape) < shares).astype("float32")
    if not several:
        labels = np.minimum((draw.random((20000, 1)) > shares.cumsum(axis=1)).sum(axis=1), 3)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)
    off = expected_calibration_error(probabilities(logits, several), labels)
    assert expected_calibration_error(shares, labels) < 0.015 < 0.05 < off


def test_the_error_is_the_gap_weighted_by_the_examples():
    given = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 6)
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    assert expected_calibration_error(given, labels) == pytest.approx((4 * abs(0.9 - 0.75) + 6 * abs(0.6 - 1.0)) / 10)


def test_answers_that_are_always_right_end_at_the_bound():
    logits = np.eye(3) * 5
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(20, rel=1e-3)
