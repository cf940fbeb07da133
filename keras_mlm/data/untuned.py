"""Pipelines in which there is nothing to tune."""

import tensorflow as tf


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a dataset without tf.data's autotuning.

    An iterator waits, when it is deleted, for the thread that tunes, which now and then sleeps on for as long as the
    iterator was there, at most a minute (TensorFlow 2.21): at the end of an epoch, of training, after Ctrl-C.

    Args:
        dataset: `tf.data.Dataset`; a `map` with `tf.data.AUTOTUNE` makes as many calls at a time as there are cores,
            at most 16.

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
