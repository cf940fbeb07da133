"""Each test fails once upstream is repaired: then remove the repair, and the test with it."""

import json
import subprocess
import sys

import pytest

from keras_mlm.models import keras_repairs

# On the unrepaired Keras, in a process of its own: logical devices are made before TensorFlow starts.
UNREPAIRED = """
import json, keras, tensorflow as tf
from keras.src.backend.tensorflow import trainer
from keras_mlm.models import keras_repairs
found = {}
workers = tf.distribute.MultiWorkerMirroredStrategy()
workers.extended._num_workers = 2  # so that Keras takes its way for several workers
def reduce():
    try:
        return float(trainer.reduce_per_replica({"loss": tf.constant(3.0)}, workers, "auto")["loss"])
    except Exception as error:
        return type(error).__name__
found["logs of workers"] = reduce()
keras_repairs.repair_logs_of_workers()
keras_repairs.repair_logs_of_workers()
found["repaired logs of workers"] = reduce()

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
def clipped(repair):
    with mirrored.scope():
        variable = keras.Variable([0.0])
        optimizer = keras.optimizers.SGD(1.0, global_clipnorm=1.0)
        optimizer.build([variable])
    if repair:
        keras_repairs.apply_reduced_gradients(optimizer)
    step = tf.function(lambda: optimizer.apply([tf.constant([6.0 if repair else 3.0])], [variable]))
    mirrored.run(step)
    return abs(float(variable.numpy()[0]))
found["clipped norm"], found["repaired clipped norm"] = clipped(False), clipped(True)

with mirrored.scope():
    inputs = {"mask": keras.Input((3,), dtype="bool"), "x": keras.Input((3,))}
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs["x"]))
    model.compile("sgd", "mse")
data = tf.data.Dataset.from_tensors(({"mask": tf.ones((4, 3), tf.bool), "x": tf.ones((4, 3))}, tf.ones((4, 1))))
try:
    model.fit(data, verbose=0)
    found["boolean input"] = "trained"
except Exception as error:
    found["boolean input"] = type(error).__name__
print(json.dumps(found))
"""
DEVICES = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""


@pytest.fixture(scope="module")
def found():
    done = subprocess.run([sys.executable, "-c", DEVICES + UNREPAIRED], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_keras_cannot_reduce_the_logs_of_workers(found):
    assert found["logs of workers"] == "ValueError", "repaired upstream: remove repair_logs_of_workers"
    assert found["repaired logs of workers"] == 3.0


def test_keras_clips_before_it_adds_the_replicas_gradients(found):
    assert found["clipped norm"] == 2.0, "repaired upstream: remove apply_reduced_gradients"
    assert found["repaired clipped norm"] == 1.0


def test_keras_cannot_build_from_boolean_inputs(found):
    assert found["boolean input"] != "trained", "repaired upstream: remove TensorFlowStep._maybe_symbolic_build"


def test_a_later_keras_is_left_as_it_is_or_refused(monkeypatch):
    from keras.src.backend.tensorflow import trainer

    assert keras_repairs.needed()
    monkeypatch.setattr(keras_repairs.keras, "__version__", "3.16.0")
    before = trainer.reduce_per_replica
    keras_repairs.repair_logs_of_workers()
    assert trainer.reduce_per_replica is before
    with pytest.raises(RuntimeError, match=r"3\.16\.0"):
        keras_repairs.apply_reduced_gradients(object())
