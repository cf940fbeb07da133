import itertools
import time
from types import SimpleNamespace

import keras
import pytest
from tiny_run import fit, tiny_model

from keras_mlm.errors import InputError
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.workers import Workers


class Rates(keras.callbacks.Callback):
    """What the learning rate was in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


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


def test_minutes_end_on_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr(Workers, "now", lambda self: now)

    def pass_time(batch, logs):
        nonlocal now
        now += 1.0 if now == 100.0 else 0.02  # the first is the tracing

    clock = keras.callbacks.LambdaCallback(on_train_batch_begin=pass_time)
    budget, rates = TrainingBudget(minutes=3 / 60, learning_rate=1.0), Rates()
    fit(tiny_model(), [clock, budget, rates])
    assert now - 100 == pytest.approx(budget.seconds) == pytest.approx(3, abs=0.02)
    assert budget.step == pytest.approx(101, abs=1) and rates.seen[-1] < 0.15


def test_the_clock_is_that_of_the_wall():
    budget, begin = TrainingBudget(minutes=1, learning_rate=1.0), time.monotonic()
    budget.set_model(SimpleNamespace(optimizer=SimpleNamespace(), stop_training=False))
    budget.on_train_begin()
    time.sleep(0.1)
    assert 0.1 <= budget.seconds <= time.monotonic() - begin


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


def test_a_stage_ends_at_its_share_and_knows_its_place_in_the_data():
    budget, rates = TrainingBudget(steps=20, learning_rate=0.1, warmup=0.1, stage_ends=[0.9]), Rates()
    model, places = tiny_model(), []
    while not budget.used_up:
        places.append((budget.stage, budget.step, budget.place))
        fit(model, [budget, rates])
    assert places == [(0, 0, 0), (1, 18, 0)] and (budget.stage, budget.place, budget.position) == (1, 2, 20)
    # One curve through both.
    whole = Rates()
    fit(tiny_model(), [TrainingBudget(steps=20, learning_rate=0.1, warmup=0.1), whole])
    assert rates.seen == whole.seen
    again = TrainingBudget(steps=20, learning_rate=0.1, stage_ends=[0.9])
    again.restore({**budget.state(), "step": 19, "skipped": 3})
    assert (again.stage, again.place, again.position) == (1, 4, 22)
    # A stage that was begun is not left, wherever a bad loss leads back to.
    again.skip_to(17)
    assert (again.stage, again.place, again.step) == (1, 4, 17)


@pytest.mark.parametrize(("tracing", "slower"), [(20.0, 1.0), (20.0, 3.0), (2.0, 8.0)])
def test_minutes_end_on_time_though_the_steps_of_the_last_stage_are_slower(monkeypatch, tracing, slower):
    now = 0.0
    monkeypatch.setattr("keras_mlm.training.workers.time.monotonic", lambda: now)
    budget = TrainingBudget(minutes=10, learning_rate=1.0, warmup=0.1, stage_ends=[0.9])
    budget.set_model(SimpleNamespace(optimizer=SimpleNamespace(), stop_training=False))
    rates, began = [], []
    while not budget.used_up:
        budget.model.stop_training, first = False, tracing
        began.append((now, budget.step))
        stage = budget.stage
        budget.on_train_begin()
        while not budget.model.stop_training:
            budget.on_train_batch_begin(0)
            rates.append(budget.model.optimizer.learning_rate)
            now += first + (slower if stage else 1.0)
            first = 0.0
            budget.on_train_batch_end(0)
        budget.on_train_end()
    step = slower if len(began) > 1 else 1.0
    assert abs(now - 600) <= step / 2 + 1e-6 and budget.seconds == pytest.approx(now)
    # A tenth of the time that is not tracing is the last stage's, and the curve has no jump there.
    assert len(began) == 2 and 600 - began[1][0] - tracing == pytest.approx(0.1 * (600 - 2 * tracing), abs=2 + slower)
    changes = [abs(after - before) for before, after in itertools.pairwise(rates)]
    assert max(changes[56:]) < 2.5 * slower / (600 - 2 * tracing) / 0.9
    assert rates[-1] < 1.2 * step / (600 - 2 * tracing) / 0.9
    assert budget.pace == pytest.approx(1 / slower) and budget.steps_per_second > 0.99 * budget.pace


@pytest.mark.parametrize("length", [{}, {"steps": 1, "minutes": 1.0}])
def test_steps_or_minutes(length):
    with pytest.raises(InputError, match="either in steps or in minutes"):
        TrainingBudget(learning_rate=1.0, **length)
