import numpy as np

from keras_mlm.layers.modeling.dropout import Dropout


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


def test_config_round_trip():
    assert Dropout.from_config(Dropout(0.3, name="d").get_config()).rate == 0.3
