import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.layers.modeling.fused_run import compiled_runs
from keras_mlm.layers.modeling.layer_norm import normalised, sum_and_normalised

RANDOM = np.random.default_rng(0)
X, MORE, UPSTREAM, OTHER = (tf.constant(RANDOM.normal(1.0, 2.0, size=(3, 5, 16)), tf.float32) for _ in range(4))


def norm_with_weights(center):
    norm = keras.layers.LayerNormalization(epsilon=1e-6, center=center)
    norm.build((None, 16))
    for variable in norm.weights:
        variable.assign(RANDOM.normal(size=16))
    return norm


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("with_sum", [True, False])
def test_the_gradients_written_out_are_those_of_the_formula(with_sum, center):
    norm = norm_with_weights(center)

    def step(compiled):
        with compiled_runs(compiled), tf.GradientTape() as tape:
            tape.watch([X, MORE])
            total, normal = sum_and_normalised(X, MORE, norm) if with_sum else (X, normalised(X, norm))
            loss = tf.reduce_sum(UPSTREAM * normal) + tf.reduce_sum(OTHER * total)
        sources = [X, MORE, *(variable.value for variable in norm.weights)]
        found = tape.gradient(loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return normal, total, *found

    plain, compiled = (tf.function(step)(compiled) for compiled in (False, True))
    assert len(plain) == len(compiled) == 4 + len(norm.weights)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain[0], norm(plain[1]), rtol=1e-4, atol=1e-5)
