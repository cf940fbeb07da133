import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.models.tensorflow_step import TensorFlowStep

SHAPES = ((30, 4), (4, 5), (7,))


class Step(TensorFlowStep):
    compiles_runs = True  # as in half precision
    is_one_piece = False

    def __init__(self, clip):
        random = np.random.default_rng(0)
        self.trainable_variables = [keras.Variable(random.normal(size=shape)) for shape in SHAPES]
        self.optimizer = keras.optimizers.AdamW(0.1, epsilon=1e-3, global_clipnorm=clip)
        self.optimizer.build(self.trainable_variables)


@pytest.mark.parametrize("size", [1e-3, 10.0, np.nan])
def test_the_norm_and_the_clipping_are_those_of_keras(size):
    random = np.random.default_rng(1)
    gradients = [tf.constant(random.normal(size=shape) * size, tf.float32) for shape in SHAPES]
    ours, theirs = Step(1.0), Step(1.0)
    norm = tf.function(ours._apply, jit_compile=True, autograph=False)(gradients)
    theirs.optimizer.apply(gradients, theirs.trainable_variables)
    np.testing.assert_allclose(norm, tf.linalg.global_norm(gradients), rtol=1e-5)
    for one, other in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)
    assert ours.optimizer.global_clipnorm == 1.0
