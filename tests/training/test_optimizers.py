import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.optimizers import optimizer_from


@pytest.mark.parametrize("name", ["adamw", "adamw_original"])
def test_only_matrices_decay(name):
    config = PretrainingConfig(steps=1, weight_decay=0.5, learning_rate=0.1, optimizer=name)
    model = BertPretrainer(BertConfig.from_preset("tiny", vocabulary_size=50, num_layers=1, norm="pre"))
    optimizer = optimizer_from(config)
    optimizer.build(model.trainable_variables)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones_like(variable))
    optimizer.apply([keras.ops.zeros_like(v) for v in model.trainable_variables])
    for variable, start in zip(model.trainable_variables, before, strict=True):
        # A norm's scale and every bias are vectors, everything else is a matrix or more.
        expected = 0.95 if start.ndim > 1 and variable.name != "bias" else 1.0
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected, rtol=1e-6, err_msg=variable.path)


def test_gradients_are_clipped_together():
    config = PretrainingConfig(steps=1, clip_norm=1.0)
    assert optimizer_from(config).global_clipnorm == 1.0


GENERATOR = np.random.default_rng(0)
START = GENERATOR.normal(size=(4, 3)).astype("float32")
GRADIENTS = GENERATOR.normal(size=(5, 4, 3)).astype("float32")


def steps_of(name, variable_name="kernel", **entries):
    """Return a variable after five steps with the gradients above, not clipped."""
    entries = {"learning_rate": 0.01, "weight_decay": 0.1, "clip_norm": 1e9, **entries}
    optimizer = optimizer_from(PretrainingConfig(steps=5, optimizer=name, **entries))
    variable = keras.Variable(START, name=variable_name)
    optimizer.build([variable])
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return keras.ops.convert_to_numpy(variable)


def reference(name, decays=True):
    """The papers' formulas in float64."""
    w, m, v = START.astype("float64"), 0.0, 0.0
    for step, gradient in enumerate(GRADIENTS.astype("float64"), 1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        corrected = (m / (1 - 0.9**step), v / (1 - 0.999**step)) if name != "adamw_original" else (m, v)
        update = corrected[0] / (np.sqrt(corrected[1]) + 1e-6)
        if decays:
            update = update + 0.1 * w
        if name == "lamb" and decays:
            update = update * np.linalg.norm(w) / np.linalg.norm(update)
        w = w - 0.01 * update
    return w


@pytest.mark.parametrize("name", ["adamw", "adamw_original", "lamb"])
@pytest.mark.parametrize("variable", ["kernel", "bias"])
def test_the_steps_are_those_of_the_papers(name, variable):
    expected = reference(name, decays=variable == "kernel")
    np.testing.assert_allclose(steps_of(name, variable), expected, rtol=2e-5, atol=1e-5)
    assert np.abs(expected - START).max() > 0.01


def test_without_bias_correction_the_first_steps_are_other_ones():
    assert np.abs(reference("adamw") - reference("adamw_original")).max() > 1e-2
