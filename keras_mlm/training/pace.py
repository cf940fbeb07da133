"""How fast a model trains here, measured in seconds, and what share of the machine's peak that is."""

import itertools
import math
import statistics
import time
from typing import Any

import keras
import tensorflow as tf

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.optimizers import optimizer_from
from keras_mlm.training.precision import compiles_step
from keras_mlm.training.workers import Workers


def peak_flops(precision: str = "float32", size: int = 2048) -> float:
    """Return the products' multiplications and additions a second that this device reaches at its best, measured."""
    dtype = precision.removeprefix("mixed_")
    x = tf.cast(tf.random.normal((size, size)), dtype)
    multiply = tf.function(lambda a: tf.linalg.matmul(a, a))
    multiply(x).numpy()
    best = math.inf
    for _ in range(5):
        begin = time.perf_counter()
        multiply(x).numpy()
        best = min(best, time.perf_counter() - begin)
    return 2.0 * size**3 / best


class _Clock(keras.callbacks.Callback):
    """Stops all workers after some seconds and knows how long a step takes, but for the first of each length."""

    def __init__(self, seconds: float, lengths: int, workers: Workers) -> None:
        super().__init__()
        self.seconds = seconds
        self.lengths = lengths
        self.workers = workers
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Note the time and stop when it is over."""
        self.workers.agree()
        self.ends.append(self.workers.now())
        if len(self.ends) > 3 * self.lengths and sum(self.steps) > self.seconds:
            self.model.stop_training = True

    @property
    def steps(self) -> list[float]:
        """The seconds of each step, without those that take longest: a new length is compiled in them."""
        each = sorted(after - before for before, after in itertools.pairwise(self.ends))
        return each[: len(each) + 1 - self.lengths]


def seconds_per_step(
    config: BertConfig, training: PretrainingConfig, batches: Any, *, strategy: Any = None, seconds: float = 5.0
) -> float:
    """Return how long a step of a model takes here, by training a new one for a few seconds after its tracing.

    Args:
        config: `BertConfig`.
        training: `PretrainingConfig`.
        batches: dataset of batches as `fit` takes them.
        strategy: `tf.distribute` strategy. Defaults to `None`, one device.
        seconds: float, how long to measure. Defaults to `5`.

    Returns:
        float.

    Example:
        ```python
        pace = seconds_per_step(config, PretrainingConfig(steps=1), dataset.batches())
        ```
    """
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model = BertPretrainer(config)
        model.compile(
            optimizer_from(training),
            micro_batches=training.micro_batches,
            recompute=training.recompute,
            jit_compile=compiles_step(training.precision, strategy.num_replicas_in_sync),
        )
    clock = _Clock(seconds, training.length_buckets, Workers(strategy))
    model.fit(batches, epochs=1, steps_per_epoch=10**6, verbose=0, shuffle=False, callbacks=[clock])
    precision = keras.config.dtype_policy()
    keras.backend.clear_session()
    keras.config.set_dtype_policy(precision)  # which is forgotten with the session: what follows would be float32
    return statistics.fmean(clock.steps)
