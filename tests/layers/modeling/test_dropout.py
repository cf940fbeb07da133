import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.layers.modeling.fused_run import compiled_runs


def test_drops_the_share_scales_the_rest_and_continues_from_its_state():
    layer = Dropout(0.25)
    ones = np.ones((100, 100), "float32")
    assert np.all(np.asarray(layer(ones, training=False)) == 1.0)
    first = np.asarray(layer(ones, training=True))
    assert 0.22 < np.mean(first == 0.0) < 0.28
    np.testing.assert_allclose(first[first != 0.0], 1 / 0.75, rtol=1e-6)

    state = layer.variables[0].numpy()
    second = np.asarray(layer(ones, training=True))
    assert np.any(first != second)
    layer.variables[0].assign(state)
    np.testing.assert_array_equal(layer(ones, training=True), second)


def test_masks_are_independent_of_place_step_and_layer():
    ones = np.ones((1000, 400), "float32")
    layer, other = Dropout(0.2), Dropout(0.2)
    first, second = (np.asarray(layer(ones, training=True)) == 0 for _ in range(2))
    elsewhere = np.asarray(other(ones, training=True)) == 0
    assert np.mean(first) == pytest.approx(0.2, abs=0.003)  # five deviations
    # Shares of rows and columns scatter as those of fair coins do.
    for axis, count in ((0, 1000), (1, 400)):
        assert np.std(first.mean(axis)) == pytest.approx((0.2 * 0.8 / count) ** 0.5, rel=0.2)
    for one, two in ((first, second), (first, elsewhere), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.008


def test_gradients_reach_what_was_kept_compiled_or_not():
    def kept_and_gradient(compiled):
        layer = Dropout(0.5)
        layer.build((8, 16))
        layer.variables[0].assign([5, 6])
        x = tf.ones((8, 16))

        @tf.function
        def step():
            with compiled_runs(compiled), tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            return y, tape.gradient(y, x)

        return step()

    y, gradient = kept_and_gradient(True)
    np.testing.assert_array_equal(y, gradient)
    for one, other in zip((y, gradient), kept_and_gradient(False), strict=True):
        np.testing.assert_array_equal(one, other)


def test_config_round_trip():
    assert Dropout.from_config(Dropout(0.3, name="d").get_config()).rate == 0.3
