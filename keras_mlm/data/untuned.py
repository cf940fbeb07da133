"""Pipelines in which there is nothing to tune."""

import tensorflow as tf


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a dataset without tf.data's autotuning, for `fit` over several epochs.

    The iterator of a finished epoch waits for the thread that tunes, which now and then sleeps on for as long as the
    epoch took (TensorFlow 2.21, epochs of three seconds and more).

    Args:
        dataset: `tf.data.Dataset` that asks for nothing to be tuned (`tf.data.AUTOTUNE`).

    Returns:
        `tf.data.Dataset` of the same elements.

    Example:
        ```python
        model.fit(untuned(dataset.batch(32).prefetch(2)), epochs=10)
        ```
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
