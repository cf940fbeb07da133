import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training import precision


@pytest.mark.parametrize(
    ("flags", "found"),
    [("avx2 avx512f avx512_bf16", "mixed_bfloat16"), ("amx_bf16", "mixed_bfloat16"), ("avx2", "float32")],
)
def test_half_precision_where_the_cpu_multiplies_in_it(tmp_path, monkeypatch, flags, found):
    (tmp_path / "cpuinfo").write_text(f"model name : one\nflags : fpu {flags} sse\n")
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    assert precision.fastest_precision() == found
    assert precision.fastest_precision("mirrored") == "float32"
    begun = {"pretraining": {"precision": "mixed_float16"}}
    assert precision.fastest_precision(settings=begun) == "mixed_float16"
    assert precision.fastest_precision(settings={"pretraining": {}}) == "float32"  # the first version had no other
    monkeypatch.setattr(precision, "_has_gpu", lambda: True)
    assert precision.fastest_precision() == "float32"
    monkeypatch.setattr(precision, "_has_gpu", lambda: False)
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "none")
    assert precision.fastest_precision() == "float32"


STYLES = ["classic", "short_budget", "modern"]


@functools.cache
def one_step(style, policy, *, micro_batches=1, jit_compile=False):
    """Return the loss, accuracy and gradients (by SGD of rate 1) of one step on the same rows."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        config = BertConfig.from_preset("tiny", style=style, vocabulary_size=300, dropout=0.0, next_sentence=False)
        model = BertPretrainer(config)
        model.compile(keras.optimizers.SGD(1.0), micro_batches=micro_batches, jit_compile=jit_compile)
        before = model.get_weights()
        random = np.random.default_rng(3)
        ids = random.integers(5, 300, (8, 16)).astype("int32")
        positions = np.sort(random.permuted(np.tile(np.arange(1, 16), (8, 1)), axis=1)[:, :4]).astype("int32")
        padding = np.arange(16) < random.integers(12, 17, (8, 1))
        x = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": padding, "mask_positions": positions}
        labels, weights = np.take_along_axis(ids, positions, 1), random.integers(0, 2, (8, 4)).astype("float32")
        rows = tf.data.Dataset.from_tensors((x, {"masked_lm": labels}, {"masked_lm": weights}))
        logs = model.fit(rows, verbose=0).history
        compiles = model.compiles_runs
    finally:
        keras.config.set_dtype_policy("float32")
    names = [variable.path for variable in model.variables]
    gradients = {name: a - b for name, a, b in zip(names, before, model.get_weights(), strict=True)}
    return logs, gradients, compiles


def alike(wanted, found):
    """Return how many gradients were compared; those of key biases, say, are zero in exact arithmetic."""
    compared = 0
    for name, one in wanted.items():
        if np.abs(one).max() > 1e-6:
            compared += 1
            cosine = float(np.sum(one * found[name]) / (np.linalg.norm(one) * np.linalg.norm(found[name])))
            assert cosine > 0.999, (name, cosine)
    return compared


@pytest.mark.parametrize("style", STYLES)
def test_a_step_in_bfloat16_has_the_gradients_of_one_in_float32(style):
    logs, wanted, plain = one_step(style, "float32")
    half_logs, found, compiles = one_step(style, "mixed_bfloat16")
    assert compiles and not plain
    assert half_logs["loss"][0] == pytest.approx(logs["loss"][0], rel=2e-3)
    assert half_logs["gradient_norm"][0] == pytest.approx(logs["gradient_norm"][0], rel=2e-2)
    assert alike(wanted, found) > 20


@pytest.mark.parametrize("style", ["classic", "modern"])
def test_a_step_that_is_compiled_as_a_whole_has_the_same_gradients(style):
    logs, wanted, _ = one_step(style, "float32")
    whole_logs, found, _ = one_step(style, "float32", jit_compile=True)
    for name in logs:
        assert whole_logs[name][0] == pytest.approx(logs[name][0], rel=1e-5)
    for name, one in wanted.items():
        np.testing.assert_allclose(found[name], one, atol=1e-5 * max(1e-2, np.abs(one).max()), err_msg=name)


def test_micro_batches_in_bfloat16():
    logs, wanted, _ = one_step("short_budget", "mixed_bfloat16")
    part_logs, found, _ = one_step("short_budget", "mixed_bfloat16", micro_batches=2)
    assert part_logs["loss"][0] == pytest.approx(logs["loss"][0], rel=1e-3)
    assert alike(wanted, found) > 20


def test_the_whole_step_is_compiled_where_that_is_faster(monkeypatch):
    assert precision.compiles_step("float32") and precision.compiles_step("float32", replicas=2)
    assert not precision.compiles_step("mixed_bfloat16")
    monkeypatch.setattr(precision, "_has_gpu", lambda: True)
    assert precision.compiles_step("mixed_bfloat16") and not precision.compiles_step("float32", replicas=2)
