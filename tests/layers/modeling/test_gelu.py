import math

import numpy as np

from keras_mlm.layers.modeling.gelu import gelu, gelu_tanh


def test_is_the_exact_form():
    x = np.linspace(-6, 6, 101).astype("float32")
    expected = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(gelu(x), expected, atol=1e-6)  # the tanh form is 5e-4 away


def test_the_approximation_is_the_tanh_form_and_near():
    x = np.linspace(-6, 6, 101).astype("float32")
    expected = [0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in x]
    np.testing.assert_allclose(gelu_tanh(x), expected, atol=1e-6)
    assert 1e-4 < np.abs(np.asarray(gelu_tanh(x)) - np.asarray(gelu(x))).max() < 1e-3
