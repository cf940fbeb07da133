import pytest

from keras_mlm.training.schedules import warmup_linear


@pytest.mark.parametrize(
    ("progress", "factor"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0), (1.7, 0.0), (-1.0, 0.0)]
)
def test_rises_to_one_and_falls_to_zero(progress, factor):
    assert warmup_linear(progress, 0.1) == pytest.approx(factor)


def test_without_warmup_it_starts_at_one():
    assert warmup_linear(0.0, 0.0) == 1.0
    assert warmup_linear(0.25, 0.0) == 0.75
