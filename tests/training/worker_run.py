"""Run by test_survival.py: one worker, or the only process, of a small run that can be stopped and continued.

python worker_run.py FOLDER STEPS SECONDS_A_STEP; TF_CONFIG says whether there are several workers, SPOILED which
batches make the loss no number.
"""

import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.distribution import several_workers, strategy_from
from keras_mlm.training.optimizers import optimizer_from
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_checkpoint import TrainingCheckpoint
from keras_mlm.training.workers import Workers

ROWS = 8


def batch(step):
    ids = tf.random.stateless_uniform((ROWS, 12), tf.stack([step, 0]), 5, 50, tf.int32)
    positions = tf.tile([[1, 5]], [ROWS, 1])
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids > 0, "mask_positions": positions}
    y = {"masked_lm": tf.gather(ids, positions, batch_dims=1), "next_sentence": tf.zeros(ROWS, tf.int32)}
    return x, y, {"masked_lm": tf.ones((ROWS, 2)), "next_sentence": tf.ones(ROWS)}


def batches(strategy, start):
    whole = tf.data.Dataset.range(start, 10**9).map(batch)
    if not several_workers(strategy):
        return whole

    def of_worker(context):
        share = ROWS // context.num_input_pipelines
        mine = slice(context.input_pipeline_id * share, (context.input_pipeline_id + 1) * share)
        return whole.map(lambda *parts: tf.nest.map_structure(lambda t: t[mine], parts))

    return strategy.distribute_datasets_from_function(of_worker)


def main():
    folder, steps, wait = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    strategy = strategy_from("multi_worker" if "TF_CONFIG" in os.environ else "default", batch_size=ROWS, wait=60)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    workers = Workers(strategy)
    with strategy.scope():
        config = BertConfig(50, 1, 2, 16, 32, 12, dropout=float(os.environ.get("DROPOUT", "0.1")))
        model = BertPretrainer(config)
        model.compile(optimizer_from(PretrainingConfig(steps=1)))
    budget = TrainingBudget(steps=steps, learning_rate=1e-2, workers=workers)
    checkpoint = TrainingCheckpoint(folder, budget, every_seconds=0)
    step = checkpoint.resume(model)
    sys.stdout.write(f"from {step}\n")
    sys.stdout.flush()
    slow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(wait))

    spoiled = {int(place) for place in os.environ.get("SPOILED", "").split()}

    def spoil(batch, logs):
        if budget.position in spoiled:
            model.masked_lm_head.output_bias.assign(np.full(50, np.nan))

    spoiling = keras.callbacks.LambdaCallback(on_train_batch_begin=spoil)
    callbacks = [budget, spoiling, checkpoint, slow]
    with workers.together():
        model.fit(batches(strategy, step), epochs=10**6, steps_per_epoch=5, verbose=0, callbacks=callbacks)
    variables = model.variables + model.optimizer.variables
    if workers.is_chief:
        np.savez(Path(folder) / "end.npz", *[keras.ops.convert_to_numpy(variable) for variable in variables])


if __name__ == "__main__":
    main()
