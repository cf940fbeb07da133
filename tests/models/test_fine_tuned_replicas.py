"""Two replicas and micro-batches fine-tune as one device does, however unevenly the weights lie."""

import subprocess
import sys

import pytest

CODE = """
import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from keras_mlm.config import BertConfig
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.training.layerwise_adamw import LayerwiseAdamW

config = BertConfig(30, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=12,
                    dropout=0.0, initializer_range=0.2)
draw = np.random.default_rng(0)
x = {"token_ids": draw.integers(5, 30, (32, 12)).astype("int32"), "segment_ids": np.zeros((32, 12), "int32"),
     "padding_mask": np.broadcast_to(np.arange(12) < 9, (32, 12))}
y = draw.integers(0, 3, 32).astype("int32")
weights = np.where(np.arange(32) % 8 < 4, 1.0, 0.125).astype("float32")
results = []
for strategy, parts in ((tf.distribute.get_strategy(), 1),
                        (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), 2)):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = BertTextClassifier(config, ["a", "b", "c"])
        # Adam's first steps are signs, which would hide a loss that is scaled wrongly: clipping and SGD do not.
        model.compile(LayerwiseAdamW(1e-2, num_layers=2, layer_decay=0.5, epsilon=1.0), micro_batches=parts)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    data = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(8, drop_remainder=True).repeat()
    data = data.with_options(options)
    history = model.fit(data, epochs=3, steps_per_epoch=4, verbose=0, shuffle=False).history
    evaluated = model.evaluate(data, steps=4, verbose=0, return_dict=True)
    results.append((history["loss"], list(evaluated.values()), model.get_weights()))
(one_loss, one_evaluated, one), (loss, evaluated, other) = results
np.testing.assert_allclose(loss, one_loss, rtol=1e-5)
np.testing.assert_allclose(evaluated, one_evaluated, rtol=1e-5)
keras.utils.set_random_seed(0)
start = BertTextClassifier(config, ["a", "b", "c"]).get_weights()
assert max(np.abs(a - b).max() for a, b in zip(one, start)) > 5e-4
for a, b in zip(one, other, strict=True):
    np.testing.assert_allclose(a, b, atol=2e-6)
"""


@pytest.mark.slow
def test_replicas_and_micro_batches_learn_what_one_device_learns():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
