import numpy as np
import pytest

from keras_mlm.training.schedules import SCHEDULES, rate_factor


@pytest.mark.parametrize(
    ("progress", "factor"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0), (1.7, 0.0), (-1.0, 0.0)]
)
def test_linear_rises_to_one_and_falls_to_zero(progress, factor):
    assert rate_factor("linear", progress, 0.1) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        ("cosine", [(0.1, 1.0), (0.55, 0.55), (1.0, 0.1)]),
        ("one_cycle", [(0.0, 0.04), (0.05, 0.52), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)]),
        ("warmup_stable_decay", [(0.05, 0.5), (0.1, 1.0), (0.5, 1.0), (0.8, 1.0), (0.85, 0.5), (1.0, 0.0)]),
    ],
)
def test_the_others_pass_their_points(schedule, points):
    for progress, factor in points:
        assert rate_factor(schedule, progress, 0.1) == pytest.approx(factor, abs=1e-9), progress


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_a_rate_never_jumps_and_has_one_peak(schedule, warmup):
    factors = np.array([rate_factor(schedule, p, warmup) for p in np.linspace(0, 1, 10001)])
    assert factors.max() == pytest.approx(1.0, abs=1e-6) and factors.min() >= 0
    steps = np.diff(factors)
    assert np.abs(steps[1:-1]).max() < 0.08
    rising = np.flatnonzero(steps > 1e-12)
    falling = np.flatnonzero(steps < -1e-12)
    assert len(rising) == 0 or rising.max() < falling.min()
