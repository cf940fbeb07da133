"""The compiler's memory is given back while a function is traced and compiled, and only then."""

import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.models import compiler_heap
from keras_mlm.models.compiler_heap import CompilerHeap


@pytest.fixture
def heap(monkeypatch):
    """One that counts, and waits for nothing."""
    monkeypatch.setattr(compiler_heap, "SECONDS", 0.01)
    heap = CompilerHeap()
    heap.trims = []
    monkeypatch.setattr(compiler_heap, "give_freed_memory_back", lambda: heap.trims.append(1))
    return heap


def slowly(data):
    time.sleep(0.3)
    return data + 1


def test_only_calls_that_trace_give_back(heap):
    before = threading.active_count()
    step = heap.trimmed(lambda function: tf.function(function, reduce_retracing=False))(slowly)
    for shape, traces in (((2,), True), ((2,), False), ((3,), True)):
        heap.trims.clear()
        np.testing.assert_array_equal(step(tf.zeros(shape)), np.ones(shape))
        time.sleep(0.1)
        assert bool(heap.trims) == traces and threading.active_count() == before


def test_a_failure_ends_it(heap):
    before = threading.active_count()

    def fails(data):
        time.sleep(0.1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        heap.trimmed(tf.function)(fails)(tf.zeros(2))
    time.sleep(0.1)
    assert heap.trims and threading.active_count() == before


def test_eager_calls_are_left_alone(heap):
    step = heap.trimmed(lambda function: function)(slowly)
    assert step(tf.zeros(1))[0] == 1 and not heap.trims


def test_training_steps_are_watched(heap, monkeypatch):
    from keras_mlm.models import tensorflow_step

    class Model(tensorflow_step.TensorFlowStep, keras.Sequential):
        micro_batches = 1

        def train_step(self, data):
            time.sleep(0.1)
            return {"loss": tf.reduce_sum(self(data[0]))}

    monkeypatch.setattr(tensorflow_step, "HEAP", heap)
    model = Model([keras.layers.Dense(1)])
    model.build((None, 2))
    model.compile(keras.optimizers.SGD(), loss="mse", jit_compile=True)
    data = tf.data.Dataset.from_tensors((np.ones((2, 2)), np.ones((2, 1)))).repeat(4)
    seen = []

    def count(batch, logs):
        time.sleep(0.05)
        seen.append(len(heap.trims))

    model.fit(data, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=count)])
    assert seen[0] > 0 and set(seen) == {seen[0]}
