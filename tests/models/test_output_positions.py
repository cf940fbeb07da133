"""A last block of some positions gives them the states of a full one, and the weights the same gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import STYLES, BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier

LENGTH, VOCABULARY = 12, 30
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": LENGTH}


def config(style, **entries):
    return BertConfig(VOCABULARY, **{**SIZES, **STYLES[style]["model"], "dropout": 0.0, **entries})


def filled(model):
    """Weights far from their start, at which a block hardly changes its input."""
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        offset = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(offset + generator.normal(size=variable.shape, scale=0.3))
    return model


def rows(packed):
    generator = np.random.default_rng(1)
    ids = generator.integers(5, VOCABULARY, (4, LENGTH)).astype("int32")
    mask = np.arange(LENGTH) < np.array([[12], [7], [9], [5]])
    # In any order, one twice, as unused slots are.
    positions = np.array([[1, 11, 4], [6, 0, 0], [2, 8, 3], [4, 1, 1]], "int32")
    x = {"token_ids": ids, "segment_ids": ids % 2, "padding_mask": mask, "mask_positions": positions}
    if packed:
        x["sequence_ids"] = np.where(mask, 1 + (np.arange(LENGTH) > 4), 0).astype("int32")
    return x


def answers_and_gradients(model, x, full):
    with tf.GradientTape() as tape:
        answers = model(x, training=True, return_hidden_states=full)
        answers.pop("hidden_states", None)
        total = sum(keras.ops.sum(keras.ops.sin(answer)) for answer in answers.values())
    variables = [variable.value for variable in model.trainable_variables]
    found = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return answers, [tf.convert_to_tensor(part).numpy() for part in found]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("next_sentence", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_answers_and_gradients_are_those_of_all_positions(style, next_sentence, packed):
    model = filled(BertPretrainer(config(style, next_sentence=next_sentence)))
    x = rows(packed)
    (some, found), (every, wanted) = (answers_and_gradients(model, x, full) for full in (False, True))
    assert set(some) == set(every)
    for name in some:
        np.testing.assert_allclose(some[name], every[name], atol=1e-5)
    for variable, one, two in zip(model.trainable_variables, found, wanted, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5 * max(1.0, np.abs(two).max()), err_msg=variable.path)


def products(function, *arguments):
    graph = function.get_concrete_function(*arguments).graph
    flops = tf.compat.v1.profiler.profile(
        graph, options=tf.compat.v1.profiler.ProfileOptionBuilder(
            tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        ).with_empty_output().build()
    )  # fmt: skip
    return flops.total_float_ops


def test_the_rest_is_not_computed():
    model = BertPretrainer(config("short_budget", next_sentence=False, intermediate_dim=256))
    x = {name: tf.constant(value) for name, value in rows(packed=False).items()}
    some = products(tf.function(lambda: model(x)["masked_lm"]))
    every = products(tf.function(lambda: model(x, return_hidden_states=True)["masked_lm"]))
    # Of two blocks, most of the second for 9 of 12 positions.
    assert 0.55 < some / every < 0.75


def test_a_classifier_computes_its_cls_only():
    x = rows(packed=False)
    model = filled(BertTextClassifier(config("classic"), ["no", "yes"]))
    pooled = model.backbone(x)["pooled_output"]
    np.testing.assert_allclose(model(x), model.dense(pooled), atol=1e-5)
    assert model.backbone(x, output_positions=model.output_positions(x))["sequence_output"].shape == (4, 1, 16)
    several = BertTextClassifier(config("classic"), ["no", "yes"], pooling="cls_mean_max")
    assert several.output_positions(x) is None


@pytest.mark.parametrize("wanted", ["return_attention_scores", "return_hidden_states"])
def test_what_needs_all_positions_is_refused(wanted):
    model, x = BertPretrainer(config("classic")), rows(packed=False)
    with pytest.raises(InputError, match="leave out output_positions"):
        model.backbone(x, output_positions=x["mask_positions"], **{wanted: True})
