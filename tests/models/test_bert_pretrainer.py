import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer

BATCH, LENGTH, SLOTS, VOCABULARY = 8, 12, 3, 30
STYLES = [{}, {"norm": "pre", "position": "rotary"}]
MODERN = {"norm": "pre", "position": "rotary", "gated": True, "biases": False, "next_sentence": False}


def make(**entries):
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": LENGTH}
    return BertPretrainer(BertConfig(VOCABULARY, **{**sizes, "dropout": 0.0, **entries}))


def batch(seed=0, rows=BATCH, next_sentence=True, vocabulary=VOCABULARY, length=LENGTH):
    """Return one batch with padding, unused slots and weights that differ much from row to row."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(6, length + 1, rows)
    lengths[0] = length
    used = generator.integers(0, SLOTS + 1, rows)
    used[:2] = 1, SLOTS
    x = {
        "token_ids": generator.integers(5, vocabulary, (rows, length)).astype("int32"),
        "segment_ids": generator.integers(0, 2, (rows, length)).astype("int32"),
        "padding_mask": np.arange(length) < lengths[:, None],
        "mask_positions": np.sort(generator.permuted(np.tile(np.arange(1, 6), (rows, 1)), axis=1)[:, :SLOTS]).astype(
            "int32"
        ),
    }
    y = {"masked_lm": generator.integers(5, vocabulary, (rows, SLOTS)).astype("int32")}
    weights = {"masked_lm": (np.arange(SLOTS) < used[:, None]).astype("float32")}
    if next_sentence:
        y["next_sentence"] = generator.integers(0, 2, rows).astype("int32")
        weights["next_sentence"] = (generator.random(rows) < 0.7).astype("float32")
    return x, y, weights


def dataset(*batches):
    return tf.data.Dataset.from_generator(
        lambda: iter(batches),
        output_signature=tf.nest.map_structure(
            lambda a: tf.TensorSpec((None, *a.shape[1:]), tf.as_dtype(a.dtype)), batches[0]
        ),
    ).apply(tf.data.experimental.assert_cardinality(len(batches)))


def gradients(model, data):
    x, y, weights = data
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x), weights)
    found = tape.gradient(loss, model.trainable_variables)
    return float(loss), [tf.convert_to_tensor(g).numpy() for g in found]


def numpy_cross_entropy(logits, labels):
    logits = np.asarray(logits).astype("float64")
    logits = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(logits, labels[..., None], -1)[..., 0]


@pytest.mark.parametrize("next_sentence", [True, False])
def test_logs_are_means_over_everything_seen(next_sentence):
    model = make(next_sentence=next_sentence)
    data = [batch(seed, rows, next_sentence) for seed, rows in ((0, 8), (1, 3))]
    model.compile(keras.optimizers.SGD(0.0))
    history = {name: values[0] for name, values in model.fit(dataset(*data), verbose=0).history.items()}
    evaluated = model.evaluate(dataset(*data), verbose=0, return_dict=True)
    assert history.pop("step_loss") > 0 and history.pop("gradient_norm") > 0  # of the last step alone

    expected = {"loss": 0.0}
    for name in ("masked_lm", "next_sentence")[: 1 + next_sentence]:
        total = hits = weight = 0.0
        for x, y, weights in data:
            logits = model(x)[name]
            total += (numpy_cross_entropy(logits, y[name]) * weights[name]).sum()
            hits += ((np.asarray(logits).argmax(-1) == y[name]) * weights[name]).sum()
            weight += weights[name].sum()
        expected |= {f"{name}_loss": total / weight, f"{name}_accuracy": hits / weight}
        expected["loss"] += total / weight
    expected["perplexity"] = np.exp(expected["masked_lm_loss"])
    assert set(history) == set(evaluated) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose([history[name], evaluated[name]], value, rtol=1e-5, err_msg=name)


def test_padding_and_unused_slots_change_nothing():
    model, (x, y, weights) = make(), batch()
    other_x = {
        **x,
        "token_ids": np.where(x["padding_mask"], x["token_ids"], 7).astype("int32"),
        "segment_ids": np.where(x["padding_mask"], x["segment_ids"], 0).astype("int32"),
        "mask_positions": np.where(weights["masked_lm"] > 0, x["mask_positions"], 0).astype("int32"),
    }
    other_y = {
        "masked_lm": np.where(weights["masked_lm"] > 0, y["masked_lm"], 0).astype("int32"),
        "next_sentence": np.where(weights["next_sentence"] > 0, y["next_sentence"], 0).astype("int32"),
    }
    assert np.any(x["token_ids"] != other_x["token_ids"]) and np.any(y["masked_lm"] != other_y["masked_lm"])
    loss, before = gradients(model, (x, y, weights))
    other_loss, after = gradients(model, (other_x, other_y, weights))
    np.testing.assert_allclose(loss, other_loss, rtol=1e-6)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_a_batch_without_masks_has_loss_zero_and_changes_no_weight():
    model, (x, y, weights) = make(), batch()
    nothing = tf.nest.map_structure(np.zeros_like, weights)
    model.compile(keras.optimizers.SGD(1.0))
    before = model.get_weights()
    logs = model.fit(dataset((x, y, nothing)), verbose=0).history
    assert logs["loss"] == [0.0] and logs["perplexity"] == [1.0] and logs["masked_lm_accuracy"] == [0.0]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_of_padding_only_is_finite():
    model, (x, y, weights) = make(norm="pre", position="rotary"), batch()
    x["padding_mask"] = np.zeros_like(x["padding_mask"])
    loss, found = gradients(model, (x, y, weights))
    assert np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in found)


@pytest.mark.parametrize("entries", STYLES)
def test_gradient_reaches_every_weight_but_the_key_bias(entries):
    model = make(**entries)
    _, found = gradients(model, batch())
    for variable, gradient in zip(model.trainable_variables, found, strict=True):
        if variable.path.endswith("query_key_value/bias"):
            query, key, value = np.split(gradient, 3)
            if not entries:  # turned by rotary positions, it does matter
                assert np.abs(key).max() < 1e-6
            gradient = np.concatenate([query, value])
        assert np.abs(gradient).max() > 1e-7, variable.path


@pytest.mark.parametrize("entries", STYLES)
def test_eight_sentences_are_memorised(entries):
    model = make(hidden_dim=32, intermediate_dim=64, dropout=0.0, **entries)
    x, y, weights = batch()
    weights = tf.nest.map_structure(np.ones_like, weights)
    model.compile(keras.optimizers.Adam(1e-2))
    data = dataset((x, y, weights)).cache().repeat(100)
    model.fit(data, verbose=0)
    result = model.evaluate(data.take(1), verbose=0, return_dict=True)
    assert result["loss"] < 0.05 and result["masked_lm_accuracy"] == 1.0 and result["next_sentence_accuracy"] == 1.0


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 5e-3)])
def test_graph_gives_what_eager_gives(policy, tolerance):
    losses = []
    keras.config.set_dtype_policy(policy)
    for run_eagerly in (True, False):
        model = make(norm="pre", position="rotary")
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=run_eagerly)
        losses.append(model.fit(dataset(batch(0), batch(1)), epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=tolerance)


@pytest.mark.parametrize("entries", STYLES)
def test_weights_file_round_trip_without_data(tmp_path, entries):
    model = make(dropout=0.1, **entries)
    path = str(tmp_path / "model.weights.h5")
    model.save_weights(path)
    copy = BertPretrainer.from_config(model.get_config())
    x, _, _ = batch()
    assert np.abs(np.asarray(copy(x)["masked_lm"]) - np.asarray(model(x)["masked_lm"])).max() > 1e-3
    copy.load_weights(path)
    for name, logits in model(x).items():
        np.testing.assert_array_equal(copy(x)[name], logits)
    assert copy.config == model.config
    assert [v.path for v in copy.variables] == [v.path for v in model.variables]


def test_variables_hold_everything_a_run_continues_from():
    """Weights, dropout's random states and the optimizer's variables, copied in the middle of a run, continue it."""
    data = dataset(*(batch(seed) for seed in range(3)))

    def compiled():
        model = make(dropout=0.1, num_layers=2)
        model.compile(keras.optimizers.AdamW(1e-2))
        model.optimizer.build(model.trainable_variables)
        return model

    model = compiled()
    states = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    assert len(states) == 1 + 3 * model.config.num_layers and len({v.path for v in model.variables}) == len(
        model.variables
    )
    model.fit(data, verbose=0)
    saved = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    model.fit(data, verbose=0)

    resumed = compiled()
    for variable, value in zip((*resumed.variables, *resumed.optimizer.variables), saved, strict=True):
        variable.assign(value)
    resumed.fit(data, verbose=0)
    for variable, other in zip(model.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), other.numpy(), err_msg=variable.path)


def test_dropout_is_drawn_anew_each_step_and_off_in_evaluation():
    model, data = make(dropout=0.5), dataset(batch())
    model.compile(keras.optimizers.SGD(0.0))
    first, second = model.fit(data, epochs=2, verbose=0).history["loss"]
    assert abs(first - second) > 1e-4
    assert model.evaluate(data, verbose=0) == model.evaluate(data, verbose=0)


def test_weight_decay_can_leave_out_norms_and_biases_by_name():
    model, optimizer = make(), keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    decayed = {v.path for v in model.trainable_variables if optimizer._use_weight_decay(v)}
    assert decayed == {v.path for v in model.trainable_variables if len(v.shape) > 1}


def test_batches_without_weights_are_refused():
    model, (x, y, _) = make(), batch()
    model.compile(keras.optimizers.SGD(0.1))
    with pytest.raises(InputError, match="sample_weight"):
        model.fit(dataset((x, y)), verbose=0)


def test_mixed_precision_keeps_the_loss_in_float32():
    expected, _ = gradients(make(norm="pre", position="rotary"), batch())
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, (x, y, weights) = make(norm="pre", position="rotary"), batch()
    finally:
        keras.config.set_dtype_policy("float32")
    x["padding_mask"][3] = False
    assert model(x)["masked_lm"].dtype == tf.bfloat16
    loss = model.compute_loss(x, y, model(x), weights)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(float(loss), expected, rtol=0.05)


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_recomputed_activations_change_nothing(micro_batches):
    weights = []
    for recompute in (False, True):
        model = make(num_layers=2, **MODERN)
        model.compile(keras.optimizers.SGD(0.5), recompute=recompute, micro_batches=micro_batches)
        history = model.fit(dataset(*(batch(seed, next_sentence=False) for seed in range(3))), verbose=0).history
        weights.append([*model.get_weights(), np.array(history["loss"])])
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    with pytest.raises(InputError, match="dropout"):
        make(dropout=0.1).compile("sgd", recompute=True)


@pytest.mark.parametrize("parts", [1, 4])
def test_dropout_is_drawn_anew_in_every_micro_batch(parts):
    model = make(dropout=0.1)
    model.compile(keras.optimizers.SGD(0.5), micro_batches=parts)
    states = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    before = [state.numpy()[1] for state in states]
    model.fit(dataset(batch()), verbose=0)
    assert [state.numpy()[1] - start for state, start in zip(states, before, strict=True)] == [parts] * 4


def test_several_steps_at_once_are_the_same_steps():
    weights = []
    for together in (1, 3):
        model = make(dropout=0.1)
        model.compile(keras.optimizers.SGD(0.5), steps_per_execution=together, micro_batches=2)
        model.fit(dataset(*(batch(seed) for seed in range(6))), verbose=0)
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)


def test_modern_has_gates_and_no_biases():
    model = make(num_layers=2, **MODERN)
    names = [variable.path for variable in model.backbone.trainable_variables if variable.path.endswith("bias")]
    assert names == []
    wide = next(v for v in model.trainable_variables if v.path.endswith("encoder_block_0/intermediate_dense/kernel"))
    assert tuple(wide.shape) == (16, 2 * 32)  # two thirds of 32, a whole number of 32, twice
    classic = make(num_layers=2, hidden_dim=96, intermediate_dim=384, next_sentence=False)
    modern = make(num_layers=2, hidden_dim=96, intermediate_dim=384, **MODERN)
    assert abs(modern.count_params() / classic.count_params() - 1) < 0.05


def test_half_precision_scales_its_loss_and_learns_under_micro_batches():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make(**MODERN)
        model.compile(keras.optimizers.AdamW(1e-2, global_clipnorm=1.0), micro_batches=2)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        data = dataset(batch(next_sentence=False)).cache().repeat(60)
        losses = model.fit(data, epochs=2, steps_per_epoch=30, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert losses["loss"][1] < 0.5 * losses["loss"][0]
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)
    # The norm is that of the gradient, not of the scaled one.
    expected, found = gradients(make(**MODERN), batch(next_sentence=False))
    norm = np.sqrt(sum((g.astype("float64") ** 2).sum() for g in found))
    plain = make(**MODERN)
    plain.compile(keras.optimizers.SGD(0.0))
    logs = plain.fit(dataset(batch(next_sentence=False)), verbose=0).history
    np.testing.assert_allclose([logs["gradient_norm"][0], logs["step_loss"][0]], [norm, expected], rtol=1e-4)
