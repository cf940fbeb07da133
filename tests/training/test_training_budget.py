import time
from types import SimpleNamespace

import keras
import pytest
from tiny_run import fit, tiny_model

from keras_mlm.errors import InputError
from keras_mlm.training.training_budget import TrainingBudget


class Rates(keras.callbacks.Callback):
    """What the learning rate was in every step."""

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__()
        self.seen: list[float] = []
        self.wait = wait

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))
        time.sleep(self.wait)


def test_steps_are_exact_across_keras_epochs_and_the_last_rate_is_near_zero():
    budget, rates = TrainingBudget(steps=20, learning_rate=0.1, warmup=0.1), Rates()
    model = tiny_model()
    fit(model, [budget, rates])
    assert budget.step == len(rates.seen) == int(model.optimizer.iterations) == 20
    assert rates.seen[:2] == pytest.approx([0.025, 0.075])
    assert rates.seen[2:] == sorted(rates.seen[2:], reverse=True)
    assert max(rates.seen) == pytest.approx(0.1, rel=0.03)
    assert 0 < rates.seen[-1] < 0.1 * 0.03
    assert budget.used_up and budget.progress == 1.0


def test_several_steps_at_once_cannot_be_counted():
    model = tiny_model()
    model.compile(optimizer=model.optimizer, loss=model.loss, steps_per_execution=2)
    with pytest.raises(InputError, match="compile the model without steps_per_execution"):
        fit(model, [TrainingBudget(steps=4, learning_rate=0.1)])


def test_minutes_end_on_time():
    budget, rates = TrainingBudget(minutes=3 / 60, learning_rate=1.0), Rates(wait=0.02)
    begin = time.monotonic()
    fit(tiny_model(), [budget, rates])
    assert 2.9 <= budget.seconds < 3.1
    assert time.monotonic() - begin < 5.0
    assert rates.seen[-1] < 0.15


def test_the_curve_leaves_the_tracing_out_and_the_clock_does_not(monkeypatch):
    now = 100.0
    monkeypatch.setattr("keras_mlm.training.workers.time.monotonic", lambda: now)
    budget = TrainingBudget(minutes=1, learning_rate=1.0, warmup=0.5)
    budget.set_model(SimpleNamespace(optimizer=SimpleNamespace(), stop_training=False))
    rates = []
    budget.on_train_begin()
    for seconds in (20.0, 10.0, 10.0, 10.0, 9.0):  # the first is the tracing, a third of the budget
        budget.on_train_batch_begin(0)
        rates.append(budget.model.optimizer.learning_rate)
        now += seconds
        assert not budget.model.stop_training
        budget.on_train_batch_end(0)
    # The rate of the middle of a step, as soon as its length is known.
    assert rates == pytest.approx([0, 0, 0.75, 0.75, 0.25])
    # Another step would end further from the minute than this one did.
    assert budget.model.stop_training
    assert budget.seconds == pytest.approx(59)
    assert budget.steps_per_second == pytest.approx(4 / 39)


def test_minutes_that_are_too_few_to_warm_up_are_refused(monkeypatch):
    now = 0.0
    monkeypatch.setattr("keras_mlm.training.workers.time.monotonic", lambda: now)
    budget = TrainingBudget(minutes=1, learning_rate=1.0, warmup=0.1)
    budget.set_model(SimpleNamespace(optimizer=SimpleNamespace(), stop_training=False))
    budget.on_train_begin()
    with pytest.raises(InputError, match=r"minutes are about 4 steps here, too few to warm up: give 25 minutes"):
        for seconds in (20.0, 15.0, 15.0):
            now += seconds
            budget.on_train_batch_end(0)


def test_minutes_add_up_over_runs():
    budget = TrainingBudget(minutes=1, learning_rate=1.0)
    budget.restore({"step": 70, "seconds": 40.0, "startup_steps": 2, "startup_seconds": 6.0})
    assert budget.progress == pytest.approx((34 + 0.25) / 54)
    assert budget.seconds_left == pytest.approx(20)
    assert budget.steps_per_second == pytest.approx(68 / 34)
    assert TrainingBudget(minutes=1, learning_rate=1.0).state()["step"] == 0
    assert not budget.used_up
    budget.skip_to(60)
    assert (budget.step, budget.skipped, budget.position) == (60, 10, 70)
    budget.restore({**budget.state(), "seconds": 60.0})
    assert budget.used_up


@pytest.mark.parametrize("length", [{}, {"steps": 1, "minutes": 1.0}])
def test_steps_or_minutes(length):
    with pytest.raises(InputError, match="either in steps or in minutes"):
        TrainingBudget(learning_rate=1.0, **length)
