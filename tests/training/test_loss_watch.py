import math

import numpy as np
import pytest

from keras_mlm.training.loss_watch import LossWatch


def watched(losses):
    watch = LossWatch()
    return watch, [watch.problem(float(loss)) for loss in losses]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_problem_from_the_first_step(loss):
    assert LossWatch().problem(loss) == "is no finite number"


def test_noise_and_a_falling_loss_are_none():
    generator = np.random.default_rng(0)
    falling = 8.0 * np.exp(-np.arange(3000) / 800) + 2.0
    assert set(watched(falling + generator.normal(0, 0.3, 3000))[1]) == {None}


def test_a_jump_is_one_and_is_not_remembered():
    watch, problems = watched([3.0 + 0.1 * (-1) ** step for step in range(200)])
    assert set(problems) == {None}
    assert watch.problem(9.0).startswith("jumps to 9, from 3 on average")
    assert watch.problem(9.0) and watch.problem(3.1) is None
    watch.forget()
    assert watch.problem(9.0) is None
