"""Run by test_replicas.py in a process of its own, because logical devices are made before TensorFlow starts."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.models.bert_pretrainer import BertPretrainer

ROWS, LENGTH, SLOTS, STEPS = 8, 12, 3, 10


def batches():
    """Return batches whose first half has many masks and whose second half few or none."""
    generator = np.random.default_rng(0)
    used = np.where(np.arange(ROWS) < ROWS // 2, SLOTS, generator.integers(0, 2, (STEPS, ROWS)))
    used[3, ROWS // 2 :] = 0
    shape = (STEPS, ROWS, LENGTH)
    x = {
        "token_ids": generator.integers(5, 30, shape).astype("int32"),
        "segment_ids": generator.integers(0, 2, shape).astype("int32"),
        "padding_mask": np.broadcast_to(np.arange(LENGTH) < 10, shape),
        "mask_positions": generator.integers(1, 10, (STEPS, ROWS, SLOTS)).astype("int32"),
    }
    y = {
        "masked_lm": generator.integers(5, 30, (STEPS, ROWS, SLOTS)).astype("int32"),
        "next_sentence": generator.integers(0, 2, (STEPS, ROWS)).astype("int32"),
    }
    weights = {
        "masked_lm": (np.arange(SLOTS) < used[..., None]).astype("float32"),
        "next_sentence": (generator.random((STEPS, ROWS)) < 0.5).astype("float32"),
    }
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return tf.data.Dataset.from_tensor_slices((x, y, weights)).with_options(options)


class Steps(keras.callbacks.Callback):
    """Keeps every step's logs."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append({name: float(value) for name, value in logs.items()})


def distance(weights, others):
    return max(float(np.abs(a - b).max()) for a, b in zip(weights, others, strict=True))


def train(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        config = BertConfig(
            30, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=LENGTH, dropout=0.0
        )
        model = BertPretrainer(config)
        model.compile(keras.optimizers.SGD(0.5))
    before = model.get_weights()
    steps = Steps()
    model.fit(batches(), verbose=0, callbacks=[steps])
    evaluated = model.evaluate(batches(), verbose=0, return_dict=True)
    return steps.logs, evaluated, model.get_weights(), distance(before, model.get_weights())


def main():
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    one_logs, one_evaluated, one_weights, moved = train(tf.distribute.OneDeviceStrategy("CPU:0"))
    two_logs, two_evaluated, two_weights, _ = train(mirrored)

    with mirrored.scope():
        dropout = Dropout(0.5)
        dropout.build((None,))
    step = tf.function(lambda: dropout(tf.ones(1000), training=True))
    masks = [[v.numpy() for v in mirrored.experimental_local_results(mirrored.run(step))] for _ in range(2)]
    sys.stdout.write(
        json.dumps(
            {
                "replicas": mirrored.num_replicas_in_sync,
                "logs": [one_logs, two_logs],
                "evaluated": [one_evaluated, two_evaluated],
                "weights": distance(one_weights, two_weights),
                "moved": moved,
                "equal_masks_of_replicas": float(np.mean((masks[0][0] > 0) == (masks[0][1] > 0))),
                "equal_masks_of_steps": float(np.mean((masks[0][0] > 0) == (masks[1][0] > 0))),
            }
        )
    )


if __name__ == "__main__":
    main()
