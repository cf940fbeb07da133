import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.errors import InputError
from keras_mlm.training.flops import flops_per_step
from keras_mlm.training.pace import peak_flops, seconds_per_step
from keras_mlm.training.plan import Plan, choose_preset


def make(preset):
    return BertConfig.from_preset(preset, style="modern", vocabulary_size=8000)


def test_the_products_of_a_step_are_counted():
    config = BertConfig(1000, 2, 2, 64, 256)
    training = PretrainingConfig(steps=1, length=32, batch_size=8, mask_selection_length=5)
    rows, length, hidden = 8, 32, 64
    attention = 2 * length * hidden * hidden * 4 + 2 * 2 * length * length * hidden
    head = 2 * 5 * hidden * (hidden + 1000)
    every = 2 * (attention + 2 * 2 * length * hidden * 256) + head
    assert flops_per_step(config, training, every_position=True) == 3 * rows * every
    # The last block computes queries, scores and what follows of 5 predictions and of [CLS] only.
    few = 2 * 6 * hidden * hidden * 2 + 2 * 2 * length * hidden * hidden + 2 * 2 * 6 * length * hidden
    some = attention + 2 * 2 * length * hidden * 256 + few + 2 * 2 * 6 * hidden * 256 + head
    assert flops_per_step(config, training) == 3 * rows * some
    # Of rows of several lengths, the mean of them.
    half = PretrainingConfig(steps=1, length=16, batch_size=8, mask_selection_length=5)
    mean = PretrainingConfig(steps=1, length=32, batch_size=8, mask_selection_length=10)
    assert flops_per_step(config, mean, length=16.0) == flops_per_step(config, half)
    # 114 GFLOP for BERT-mini with 32 rows of 128, 20 masks and the vocabulary of the first BERT.
    mini = BertConfig.from_preset("mini", vocabulary_size=30522)
    training = PretrainingConfig(steps=1, batch_size=32)
    assert flops_per_step(mini, training, every_position=True) == pytest.approx(114e9, rel=0.1)


def test_a_plan_says_what_a_budget_buys_and_warns_of_repetition():
    about = {"epoch_rows": 1000, "tokens_a_row": 100.0, "peak_share": 0.25}
    plan = Plan.make(PretrainingConfig(minutes=10), paces=[0.2], **about)
    assert (plan.steps, plan.tokens, plan.epochs) == (3000, 3000 * 64 * 100, 192.0)
    assert "WARNING: the text repeats 192 times" in str(plan) and "25%" in str(plan)
    plan = Plan.make(PretrainingConfig(steps=100), paces=[0.2], **{**about, "peak_share": math.nan})
    assert plan.seconds == pytest.approx(20) and "teaches hardly" not in str(plan)
    assert "WARNING: 100 steps are few" in str(plan)
    plan = Plan.make(PretrainingConfig(steps=1000), paces=[0.2], **{**about, "epoch_rows": 10000})
    assert "WARNING" not in str(plan)
    grown, paces = {"final_length": 512, "batch_size": 64}, [0.2, 0.4]
    assert Plan.make(PretrainingConfig(steps=100, **grown), paces=paces, **about).seconds == pytest.approx(22)
    assert Plan.make(PretrainingConfig(minutes=10, **grown), paces=paces, **about).steps == 2700 + 150


@pytest.mark.parametrize(
    ("minutes", "speed", "preset", "batch_size"),
    [(5, 2e11, "tiny", 64), (120, 2e11, "mini", 64), (24 * 60, 2e11, "small", 64), (24 * 60, 2e14, "large", 512)],
)
def test_a_larger_budget_or_machine_takes_a_larger_model(minutes, speed, preset, batch_size):
    training = PretrainingConfig(minutes=minutes)
    chosen = choose_preset(make, training, lambda config: 0.01 + flops_per_step(config, training) / speed)
    assert chosen[0] == preset and chosen[1] >= batch_size
    with pytest.raises(InputError, match="give --minutes or --hours"):
        choose_preset(make, PretrainingConfig(steps=1), lambda config: 0.1)


@pytest.mark.parametrize("lengths", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_pace_is_measured_without_the_tracing(lengths):
    config = BertConfig(50, 1, 1, 8, 16, 16, dropout=0.0)
    ids = np.full((4, 16), 7, "int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids > 0, "mask_positions": ids[:, :2] - 5}
    labels = {"masked_lm": np.full((4, 2), 9, "int32"), "next_sentence": np.zeros(4, "int32")}
    weights = {"masked_lm": np.ones((4, 2), "float32"), "next_sentence": np.ones(4, "float32")}
    batches = tf.data.Dataset.from_tensors((x, labels, weights)).repeat()
    if lengths > 1:
        # The second of them comes when the first one is compiled and measured already.
        cut = lambda part, length: part[:, :length] if part.shape[1] == 16 else part
        batches = batches.enumerate().map(
            lambda step, batch: ({k: cut(part, tf.where(step < 3, 16, 8)) for k, part in batch[0].items()}, *batch[1:])
        )
    training = PretrainingConfig(steps=1, batch_size=4, length=16, length_buckets=lengths)
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert 0 < seconds_per_step(config, training, batches, seconds=0.2) < 0.1
    assert keras.config.dtype_policy().name == "mixed_bfloat16"  # the run that follows is to have it
    assert 1e8 < peak_flops(size=256) < 1e16
