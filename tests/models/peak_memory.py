"""Run by test_micro_batch_memory.py: the most memory that a process needs for a few steps, in megabytes.

python peak_memory.py PRESET STYLE STRATEGY ROWS MICRO_BATCHES RECOMPUTE
"""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.distribution import strategy_from
from keras_mlm.training.optimizers import optimizer_from

LENGTH, VOCABULARY, STEPS = 128, 8000, 2


def batches(training, rows):
    generator = np.random.default_rng(0)
    shape, slots = (rows, LENGTH), (rows, training.predictions)
    x = {
        "token_ids": generator.integers(5, VOCABULARY, shape).astype("int32"),
        "segment_ids": np.zeros(shape, "int32"),
        "padding_mask": np.ones(shape, bool),
        "mask_positions": generator.integers(1, LENGTH - 1, slots).astype("int32"),
    }
    y, weights = {"masked_lm": generator.integers(5, VOCABULARY, slots).astype("int32")}, {}
    if training.next_sentence:
        y["next_sentence"] = generator.integers(0, 2, rows).astype("int32")
    weights = {name: np.ones(label.shape, "float32") for name, label in y.items()}
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return tf.data.Dataset.from_tensors((x, y, weights)).repeat().with_options(options)


def main():
    preset, style, kind, rows, micro_batches, recompute = sys.argv[1:]
    keras.utils.set_random_seed(0)
    strategy = strategy_from(kind, batch_size=int(rows))
    training = PretrainingConfig.from_style(style, steps=STEPS, length=LENGTH, batch_size=int(rows))
    config = BertConfig.from_preset(
        preset, style=style, vocabulary_size=VOCABULARY, next_sentence=training.next_sentence
    )
    with strategy.scope():
        model = BertPretrainer(config)
        # As recipes/pretrain.py compiles it.
        model.compile(
            optimizer_from(training),
            micro_batches=int(micro_batches),
            recompute=recompute == "recompute",
            jit_compile=kind == "default" and not config.dropout,
        )
    model.fit(batches(training, int(rows)), steps_per_epoch=STEPS, verbose=0)
    # Not `ru_maxrss`, which begins with what the process had that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sys.stdout.write(f"{int(peak) / 1024:.0f}\n")


if __name__ == "__main__":
    main()
