"""A run small enough for every test: a tiny model with dropout on batches that are a function of the step."""

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.config import PretrainingConfig
from keras_mlm.training.optimizers import optimizer_from


def tiny_model(seed: int = 0) -> keras.Model:
    """A compiled classifier with a norm, a bias and dropout."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.layers.Dense(16, activation="gelu"),
            keras.layers.LayerNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(4),
        ]
    )
    model.build((None, 8))
    model.compile(
        optimizer=optimizer_from(PretrainingConfig(steps=1, learning_rate=1e-2)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return model


def tiny_batches(start_step: int = 0) -> tf.data.Dataset:
    """Endless batches of 16 rows; the batch of a step is always the same."""

    def batch(step):
        x = tf.random.stateless_normal((16, 8), seed=tf.stack([step, 1]))
        return x, tf.argmax(x[:, :4], axis=1)

    return tf.data.Dataset.range(start_step, np.iinfo(np.int64).max).map(batch)


def fit(model: keras.Model, callbacks: list, start_step: int = 0) -> None:
    """Train until a callback stops it, with Keras epochs of 7 steps."""
    model.fit(tiny_batches(start_step), epochs=10**6, steps_per_epoch=7, verbose=0, shuffle=False, callbacks=callbacks)
