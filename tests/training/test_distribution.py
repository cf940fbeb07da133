import subprocess
import sys

import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.distribution import strategy_from

MIRRORED = """
import logging, sys, unittest.mock
import numpy as np, keras, tensorflow as tf
from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.distribution import strategy_from
from keras_mlm.training.optimizers import optimizer_from
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_checkpoint import TrainingCheckpoint
logging.basicConfig(stream=sys.stdout)
try:
    strategy_from("mirrored", batch_size=5)
except InputError as error:
    assert "next that can is 6" in str(error), error
else:
    raise AssertionError
def batch(step):
    ids = tf.random.stateless_uniform((4, 16), tf.stack([step, 0]), 5, 50, tf.int32)
    positions = tf.tile([[1, 5]], [4, 1])
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids > 0, "mask_positions": positions}
    y = {"masked_lm": tf.gather(ids, positions, batch_dims=1), "next_sentence": tf.zeros(4, tf.int32)}
    return x, y, {"masked_lm": tf.ones((4, 2)), "next_sentence": tf.ones(4)}
def train(folder, steps):
    keras.utils.set_random_seed(0)
    strategy = strategy_from("mirrored", batch_size=4)
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        model = BertPretrainer(BertConfig.from_preset("tiny", vocabulary_size=50, num_layers=1, hidden_dim=32))
        with unittest.mock.patch("tensorflow.config.list_physical_devices", return_value=["a GPU"]):
            try:
                model.compile("sgd", jit_compile=True)
            except InputError as error:
                assert "XLA cannot compile a step of several GPUs" in str(error)
            else:
                raise AssertionError
        model.compile(optimizer_from(PretrainingConfig(steps=1)), steps_per_execution=3)  # ignored, with a warning
    assert model.steps_per_execution == 1
    budget = TrainingBudget(steps=steps, learning_rate=1e-2)
    checkpoint = TrainingCheckpoint(folder, budget)
    step = checkpoint.resume(model)
    batches = tf.data.Dataset.range(step, 10**6).map(batch)
    history = model.fit(batches, steps_per_epoch=5, epochs=100, verbose=0, callbacks=[budget, checkpoint])
    return step, history.history["loss"], [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
_, losses, _ = train(sys.argv[1], 10)
step, more, weights = train(sys.argv[1], 30)
assert step == 10 and more[-1] < losses[0] - 0.1, (step, losses, more)
assert all(np.isfinite(w).all() for w in weights)
print("trained")
"""


def test_two_logical_devices_train_save_and_resume(tmp_path):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("with GPUs these are the devices")
    done = subprocess.run([sys.executable, "-c", MIRRORED, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "trained" in done.stdout, done.stderr[-2000:]
    assert "steps_per_execution does not work with several replicas: every step is executed alone" in done.stdout


def test_the_default_strategy_is_one_device():
    assert strategy_from("default", batch_size=5).num_replicas_in_sync == 1


def test_an_unknown_strategy_lists_the_known():
    with pytest.raises(InputError, match=r"'horovod'; known are default, mirrored, multi_worker, tpu"):
        strategy_from("horovod")


def test_where_there_is_no_tpu_it_is_said():
    with pytest.raises(InputError, match="no TPU can be used here"):
        strategy_from("tpu")


def test_parameter_servers_are_refused():
    with pytest.raises(InputError, match="Keras 3 does not support parameter servers: take multi_worker"):
        strategy_from("parameter_server")


def test_a_model_built_outside_the_scope_is_refused():
    model = BertPretrainer(BertConfig(20, 1, 1, 8, 16))
    with tf.distribute.OneDeviceStrategy("CPU:0").scope(), pytest.raises(InputError, match="outside the scope"):
        model.compile("sgd")


def test_too_late_for_logical_devices_is_said():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("with GPUs no logical devices are needed")
    tf.constant(1.0) + 1.0
    with pytest.raises(InputError, match="TensorFlow has already started"):
        strategy_from("mirrored")
