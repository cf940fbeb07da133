"""Run by test_replicas.py in processes of their own: the same 20 steps on one device, on replicas or on workers.

python equal_steps.py default|mirrored|multi_worker FILE DEVICES OPTIMIZER/MICRO_BATCHES[/PRECISION|/xla] ...

A cell whose optimizer is `overflow` takes steps whose scaled gradient is no finite number, on the last replica only;
one whose optimizer ends in `+teacher` learns from a wider model, too.
"""

import dataclasses
import functools
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.models.bert_distiller import BertDistiller
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.distribution import several_workers, strategy_from
from keras_mlm.training.optimizers import optimizer_from

ROWS, LENGTH, SLOTS, STEPS = 16, 12, 3, 20
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.5),
    # Clipped in every step, which is where clipping before the reduction would show.
    "adamw": lambda: optimizer_from(PretrainingConfig(steps=1, learning_rate=1e-3, clip_norm=0.1)),
}


def arrays():
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
    return x, y, weights


def batches(strategy):
    whole = tf.data.Dataset.from_tensor_slices(arrays())
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    if not several_workers(strategy):
        return whole.with_options(options)

    def of_worker(context):
        share = ROWS // context.num_input_pipelines
        mine = slice(context.input_pipeline_id * share, (context.input_pipeline_id + 1) * share)
        part = whole.map(lambda *batch: tf.nest.map_structure(lambda t: t[mine], batch))
        return part.rebatch(ROWS // context.num_replicas_in_sync)

    return strategy.distribute_datasets_from_function(of_worker)


class Steps(keras.callbacks.Callback):
    """Keeps every step's logs."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append({name: float(value) for name, value in logs.items()})


def compiled(strategy, optimizer, micro_batches, precision):
    optimizer, *taught = optimizer.split("+")
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32" if precision == "xla" else precision)
    try:
        with strategy.scope():
            # Adam's long step is traced once a replica: one layer has a weight of every kind.
            config = BertConfig(
                30, num_layers=1 if optimizer == "adamw" else 2, num_heads=2, hidden_dim=16, intermediate_dim=32,
                max_sequence_length=LENGTH, dropout=0.0,
            )  # fmt: skip
            model = BertPretrainer(config)
            if taught:
                teacher = BertPretrainer(dataclasses.replace(config, num_layers=3, hidden_dim=24))
                model = BertDistiller(model, teacher, hard_weight=1.0, soft_weight=1.0, hidden_weight=1.0)
            model.compile(OPTIMIZERS[optimizer](), micro_batches=micro_batches, jit_compile=precision == "xla")
            several = strategy.num_replicas_in_sync > 1
            assert (model.jit_compile, model.compiles_own_part) == (
                precision == "xla" and not several, precision == "xla" and several,
            )  # fmt: skip
    finally:
        keras.config.set_dtype_policy("float32")
    return model


def train(strategy, optimizer, micro_batches, precision="float32"):
    """Return the arrays that must be equal wherever the same steps are taken."""
    model = compiled(strategy, optimizer, micro_batches, precision)
    start = model.get_weights()
    steps = Steps()
    model.fit(batches(strategy), steps_per_epoch=STEPS, verbose=0, callbacks=[steps])
    evaluated = model.evaluate(batches(strategy), steps=STEPS, verbose=0, return_dict=True)
    result = {f"log-{name}": np.array([logs[name] for logs in steps.logs]) for name in steps.logs[0]}
    result |= {f"evaluated-{name}": np.array(value) for name, value in evaluated.items()}
    for variable, before, after in zip(model.weights, start, model.get_weights(), strict=True):
        result |= {f"weight-{variable.path}": after, f"start-{variable.path}": before}
    return result


def overflow(strategy, micro_batches, precision):
    """Return scale, counted steps and every replica's weights before, after steps too large, and after a good one."""
    model = compiled(strategy, "adamw", micro_batches, precision)
    x, y, weights = (tf.nest.map_structure(lambda array: array[:1], part) for part in arrays())
    # Only the last rows, those of the last replica, have anything to learn.
    alone = tf.nest.map_structure(lambda array: array * 0, weights)
    for name in alone:
        alone[name][:, -2:] = 1.0
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    result = {}

    def keep(moment):
        optimizer = model.optimizer
        result[f"{moment}-scale"] = keras.ops.convert_to_numpy(optimizer.dynamic_scale)
        result[f"{moment}-iterations"] = keras.ops.convert_to_numpy(optimizer.iterations)
        for index, variable in enumerate(model.trainable_variables + optimizer.inner_optimizer._momentums):
            for replica, value in enumerate(strategy.experimental_local_results(variable._value)):
                result[f"{moment}-{replica}-{index:03d}"] = value.numpy()

    keep("before")
    model.optimizer.dynamic_scale.assign(2.0**60)
    for moment, weights_of_step, times in (("skipped", alone, 2), ("stepped", weights, 1)):
        if moment == "stepped":
            model.optimizer.dynamic_scale.assign(2.0**10)
        data = tf.data.Dataset.from_tensor_slices((x, y, weights_of_step)).repeat(times)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        model.fit(data.with_options(options), verbose=0)
        keep(moment)
    return result


def dropout_masks(strategy):
    """Return which units are kept, per local replica, in three micro-batches of two steps."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        dropout = Dropout(0.5)
        dropout.build((None,))
    step = tf.function(lambda: tf.stack([dropout(tf.ones(1000), training=True) for _ in range(3)]))
    runs = [strategy.experimental_local_results(strategy.run(step)) for _ in range(2)]
    return np.array([[replica.numpy() > 0 for replica in run] for run in runs])


def main():
    kind, path, devices, *cells = sys.argv[1:]
    if int(devices) == 2:
        two_cpu_devices_a_worker()
    strategy = strategy_from(kind, batch_size=ROWS)
    result = {"replicas": np.array(strategy.num_replicas_in_sync), "dropout": dropout_masks(strategy)}
    for cell in cells:
        optimizer, micro_batches, *precision = cell.split("/")
        take = overflow if optimizer == "overflow" else functools.partial(train, optimizer=optimizer)
        trained = take(strategy, micro_batches=int(micro_batches), precision=(precision or ["float32"])[0])
        result |= {f"{cell}/{name}": value for name, value in trained.items()}
    np.savez(path, **result)


def two_cpu_devices_a_worker():
    """Let a worker without GPUs have two devices, which TensorFlow offers for GPUs only."""
    from tensorflow.python.distribute import collective_all_reduce_strategy

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    collective_all_reduce_strategy.CollectiveAllReduceExtended._initialize_local_devices = (
        lambda self, resolver, worker: (tuple(f"{worker}/device:CPU:{index}" for index in range(2)), "CPU")
    )


if __name__ == "__main__":
    main()
