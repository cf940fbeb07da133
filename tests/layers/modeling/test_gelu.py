import math

import numpy as np

from keras_mlm.layers.modeling.gelu import gelu


def test_is_the_exact_form():
    x = np.linspace(-6, 6, 101).astype("float32")
    expected = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(gelu(x), expected, atol=1e-6)  # the tanh form is 5e-4 away
