import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_distiller import BertDistiller
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

ROWS, LENGTH, SLOTS, VOCABULARY = 8, 12, 3, 30
SIZES = {"num_heads": 2, "intermediate_dim": 32, "max_sequence_length": LENGTH, "norm": "pre", "position": "rotary"}


def pretrainer(seed, layers, width, **entries):
    keras.utils.set_random_seed(seed)
    sizes = {"num_layers": layers, "hidden_dim": width, "dropout": 0.0, "next_sentence": False}
    model = BertPretrainer(BertConfig(VOCABULARY, **{**SIZES, **sizes, **entries}))
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(10 * variable)  # so that hidden states and logits are far apart
    return model


def distiller(student=None, teacher=None, **options):
    """Return a distiller of a student of one block of 8 and a teacher of two of 16 that has dropout."""
    teacher = teacher or pretrainer(0, 2, 16, dropout=0.5)
    return BertDistiller(student or pretrainer(1, 1, 8), teacher, **options)


def teacher_of(model):
    return model._ask_teacher.func


def batch(seed=0, rows=ROWS):
    """Return one batch with padding, unused slots and numbers of masks that differ from row to row."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(6, LENGTH + 1, rows)
    used = np.where(np.arange(rows) < rows // 2, SLOTS, generator.integers(0, 2, rows))
    x = {
        "token_ids": generator.integers(5, VOCABULARY, (rows, LENGTH)).astype("int32"),
        "segment_ids": np.zeros((rows, LENGTH), "int32"),
        "padding_mask": np.arange(LENGTH) < lengths[:, None],
        "mask_positions": generator.integers(1, 6, (rows, SLOTS)).astype("int32"),
    }
    y = {"masked_lm": generator.integers(5, VOCABULARY, (rows, SLOTS)).astype("int32")}
    return x, y, {"masked_lm": (np.arange(SLOTS) < used[:, None]).astype("float32")}


def dataset(*batches):
    signature = tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), tf.as_dtype(a.dtype)), batches[0])
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(batches)))


def log_softmax(logits):
    logits = np.asarray(logits).astype("float64")
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def sums_in_numpy(model, data, temperature):
    """Return the numerators and denominators of the three means, worked out from the two models' own outputs."""
    x, y, weights = data
    student, teacher = (each(x, return_hidden_states=True) for each in (model.student, teacher_of(model)))
    masked, tokens = weights["masked_lm"], x["padding_mask"].astype("float64")
    hard = -np.take_along_axis(log_softmax(student["masked_lm"]), y["masked_lm"][..., None], -1)[..., 0]
    wanted, found = (log_softmax(np.asarray(each["masked_lm"]) / temperature) for each in (teacher, student))
    soft = temperature**2 * (np.exp(wanted) * (wanted - found)).sum(-1)
    hidden = 0.0
    for block, other in ((0, 1), (1, 2)):  # of two blocks and three
        a = np.asarray(student["hidden_states"][block]).astype("float64") @ np.asarray(model.projection.kernel)
        b = np.asarray(teacher["hidden_states"][other]).astype("float64")
        hidden += (1 - (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)) / 2
    return {
        "hard": ((masked * hard).sum(), masked.sum()),
        "soft": ((masked * soft).sum(), masked.sum()),
        "hidden": ((tokens * hidden).sum(), tokens.sum()),
    }


def test_the_loss_and_the_logs_are_what_numpy_says():
    weights = {"hard": 0.3, "soft": 0.5, "hidden": 2.0}
    models = [pretrainer(1, 2, 8), pretrainer(0, 3, 16, dropout=0.5)]
    model = distiller(*models, temperature=1.7, **{f"{name}_weight": weight for name, weight in weights.items()})
    data = [batch(0), batch(1, rows=3)]
    sums = [sums_in_numpy(model, each, 1.7) for each in data]

    means = {name: total / weight for name, (total, weight) in sums[0].items()}
    assert min(means.values()) > 0.1, "each of the three is large enough to be seen"
    x, y, sample_weight = data[0]
    loss = model.compute_loss(x, y, model(x), sample_weight)
    np.testing.assert_allclose(float(loss), sum(weights[name] * mean for name, mean in means.items()), rtol=1e-5)

    # Over two batches, numerators and denominators are added up; an evaluation begins anew.
    model.compile(keras.optimizers.SGD(0.0))
    history = {name: values[0] for name, values in model.fit(dataset(*data), verbose=0).history.items()}
    assert history.pop("step_loss") > 0 and history.pop("gradient_norm") > 0
    evaluated = [model.evaluate(dataset(*data), verbose=0, return_dict=True) for _ in range(2)]
    means = {name: sum(one[name][0] for one in sums) / sum(one[name][1] for one in sums) for name in weights}
    expected = {"masked_lm_loss": means["hard"], "soft_loss": means["soft"], "hidden_loss": means["hidden"],
                "loss": sum(weights[name] * mean for name, mean in means.items()),
                "perplexity": np.exp(means["hard"])}  # fmt: skip
    for logs in (history, *evaluated):
        assert set(logs) == {*expected, "masked_lm_accuracy"}
        for name, value in expected.items():
            np.testing.assert_allclose(logs[name], value, rtol=1e-5, err_msg=name)


def test_without_the_teachers_losses_a_step_is_the_students_own():
    x, y, weights = batch()
    y["next_sentence"], weights["next_sentence"] = np.arange(ROWS) % 2, np.ones(ROWS, "float32")
    results = []
    for alone in (True, False):
        student = pretrainer(1, 1, 8, dropout=0.1, next_sentence=True)
        options = {"hard_weight": 1.0, "soft_weight": 0.0, "hidden_weight": 0.0}
        model = student if alone else distiller(student, **options)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True), weights)
        gradients = tape.gradient(loss, student.trainable_variables)
        model.reset_metrics()
        model.compile(keras.optimizers.AdamW(1e-2), run_eagerly=True)
        logs = model.fit(dataset((x, y, weights)), epochs=2, verbose=0).history
        results.append([loss, *map(tf.convert_to_tensor, gradients), *student.get_weights(), *logs.values()])
        assert len(model.trainable_variables) == len(student.trainable_variables)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_teacher_is_neither_trained_nor_saved_and_has_no_dropout():
    model = distiller()
    teacher = teacher_of(model)
    own = {id(variable) for variable in teacher.variables}
    assert not own & {id(variable) for variable in (*model.variables, *model.trainable_variables)}
    assert len(model.trainable_variables) == len(model.student.trainable_variables) + 1  # the projection
    x, y, weights = batch()
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), weights)
    gradients = tape.gradient(loss, [*teacher.trainable_variables, *model.trainable_variables])
    found = [gradient is not None for gradient in gradients]
    assert found == [False] * len(teacher.trainable_variables) + [True] * len(model.trainable_variables)

    before = [variable.numpy() for variable in teacher.variables]
    model.compile(keras.optimizers.AdamW(1e-2), run_eagerly=True)
    start = model.student.get_weights()
    model.fit(dataset(batch(0), batch(1)), verbose=0)
    assert len(model.optimizer._momentums) == len(model.trainable_variables)
    for variable, value in zip(teacher.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)  # states of random numbers, too
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(start, model.student.get_weights(), strict=True))
    first, second = (model(x, training=True)["teacher"]["masked_lm"] for _ in range(2))
    np.testing.assert_array_equal(first, second)  # with dropout they would differ


def test_micro_batches_change_nothing():
    results = []
    for parts in (1, 4):
        model = distiller()
        model.compile(keras.optimizers.SGD(0.5), micro_batches=parts, run_eagerly=True)
        logs = model.fit(dataset(*(batch(seed) for seed in range(3))), verbose=0).history
        results.append([*model.get_weights(), *map(np.array, logs.values())])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def test_a_teacher_of_the_same_width_needs_no_projection():
    model = distiller(pretrainer(1, 1, 16))
    assert model.projection is None
    # A student that is its teacher has nothing to learn from it.
    teacher = pretrainer(0, 1, 16)
    twin = BertDistiller(teacher, teacher)
    x, y, weights = batch()
    twin.compute_loss(x, y, twin(x), weights)
    logs = twin.get_metrics_result()
    assert abs(float(logs["soft_loss"])) < 1e-5 and abs(float(logs["hidden_loss"])) < 1e-5


def test_half_precision_keeps_the_loss_in_float32():
    x, y, weights = batch()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = distiller()
    finally:
        keras.config.set_dtype_policy("float32")
    answers = model(x)
    assert answers["masked_lm"].dtype == answers["teacher"]["masked_lm"].dtype == tf.bfloat16
    assert model.compute_loss(x, y, answers, weights).dtype == tf.float32
    whole = distiller()
    np.testing.assert_allclose(
        float(model.compute_loss(x, y, answers, weights)),
        float(whole.compute_loss(x, y, whole(x), weights)),
        rtol=0.1,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "the temperature must be above 0, not 0.0"),
        ({"temperature": float("nan")}, "the temperature must be above 0, not nan"),
        ({"soft_weight": -1.0}, "soft_weight must be 0 or more, not -1.0"),
        ({"hard_weight": 0.0, "soft_weight": 0.0, "hidden_weight": 0.0}, "nothing is learned"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        distiller(**options)


def test_another_vocabulary_is_refused():
    other = BertPretrainer(BertConfig(VOCABULARY + 1, num_layers=1, hidden_dim=8, num_heads=1, intermediate_dim=8))
    with pytest.raises(InputError, match="another vocabulary"):
        distiller(other)
    models = [pretrainer(0, 1, 8), pretrainer(1, 1, 8)]
    for model, letter in zip(models, "xy", strict=True):  # as many tokens, but others
        tokens = [f"{letter}{number}" for number in range(VOCABULARY - len(SPECIAL_TOKENS))]
        model.tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, *tokens])
    with pytest.raises(InputError, match="another vocabulary"):
        BertDistiller(*models)


def test_batches_without_weights_are_refused():
    model, (x, y, _) = distiller(), batch()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    with pytest.raises(InputError, match="sample_weight"):
        model.fit(dataset((x, y)), verbose=0)
