import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
from tiny_run import fit, tiny_model

from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_curves import TrainingCurves


def test_every_few_steps_there_is_a_point_of_each_curve(tmp_path):
    model, budget = tiny_model(), TrainingBudget(steps=7, learning_rate=0.1)
    fit(model, [budget, TrainingCurves(str(tmp_path), budget, 1000, every_steps=3)])
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    names = set(events.Tags()["tensors"])
    assert {"loss", "learning_rate", "update_ratio", "tokens_per_second", "skipped_batches"} <= names
    points = {name: events.Tensors(name) for name in names}
    assert all([point.step for point in curve] == [3, 6] for curve in points.values())
    values = {name: [float(make_ndarray(point.tensor_proto)) for point in curve] for name, curve in points.items()}
    assert all(np.isfinite(curve).all() for curve in values.values())
    # The rate rises and falls again, and a step of Adam moves every weight by about the rate.
    assert values["learning_rate"][0] > values["learning_rate"][1] > 0
    assert 1e-3 < values["update_ratio"][0] < 1 and values["skipped_batches"] == [0.0, 0.0]


def test_the_update_ratio_is_that_of_one_step(tmp_path):
    model, budget = tiny_model(), TrainingBudget(steps=1, learning_rate=0.1, warmup=0.0)
    before = [variable.numpy() for variable in model.trainable_variables]
    fit(model, [budget, TrainingCurves(str(tmp_path), budget, 1000, every_steps=1)])
    after = [variable.numpy() for variable in model.trainable_variables]
    expected = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)))
    expected /= np.sqrt(sum((a**2).sum() for a in after))
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    np.testing.assert_allclose(make_ndarray(events.Tensors("update_ratio")[0].tensor_proto), expected, rtol=1e-5)
