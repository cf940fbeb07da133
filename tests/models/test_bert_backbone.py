import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_backbone import BertBackbone

BATCH, LENGTH = 3, 7


def config(**entries):
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 10}
    return BertConfig(vocabulary_size=20, **{**sizes, **entries})


def make(**entries):
    backbone = BertBackbone(config(**entries))
    generator = np.random.default_rng(0)
    for variable in backbone.weights:
        offset = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(offset + generator.normal(size=variable.shape, scale=0.3))
    return backbone


def rows():
    generator = np.random.default_rng(1)
    lengths = np.array([7, 4, 1])
    return {
        "token_ids": generator.integers(1, 20, (BATCH, LENGTH)).astype("int32"),
        "segment_ids": generator.integers(0, 2, (BATCH, LENGTH)).astype("int32"),
        "padding_mask": np.arange(LENGTH) < lengths[:, None],
    }


def reference(backbone, inputs):
    """The whole encoder in NumPy and double precision, one row at a time, padding cut off instead of masked."""
    weights = {w.path.removeprefix("backbone/"): np.asarray(w).astype("float64") for w in backbone.weights}
    c = backbone.config
    gelu = np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + c.layer_norm_epsilon)
        return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def turn(x):
        half = x.shape[-1] // 2
        pairs = x[:, :half] + 1j * x[:, half:]
        frequencies = 10_000.0 ** (-np.arange(half) / half)
        pairs = pairs * np.exp(1j * np.outer(np.arange(len(x)), frequencies))
        return np.concatenate([pairs.real, pairs.imag], -1)

    def attention(x, name):
        query, key, value = (
            np.split(part, c.num_heads, -1) for part in np.split(dense(x, f"{name}/query_key_value"), 3, -1)
        )
        heads = []
        for q, k, v in zip(query, key, value, strict=True):
            if c.position == "rotary":
                q, k = turn(q), turn(k)
            scores = np.exp(q @ k.T / math.sqrt(q.shape[-1]))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v)
        return dense(np.concatenate(heads, -1), f"{name}/output_dense")

    def feed_forward(x, name):
        return dense(gelu(dense(x, f"{name}/intermediate_dense")), f"{name}/output_dense")

    outputs = []
    for tokens, segments, mask in zip(*inputs.values(), strict=True):
        n = mask.sum()
        x = weights["embeddings/token_embedding/embeddings"][tokens[:n]]
        x = x + weights["embeddings/segment_embedding/embeddings"][segments[:n]]
        if c.position == "learned":
            x = x + weights["embeddings/position_embedding/embeddings"][:n]
        x = norm(x, "embeddings/norm")
        for index in range(c.num_layers):
            name = f"encoder_block_{index}"
            if c.norm == "post":
                x = norm(x + attention(x, f"{name}/attention"), f"{name}/attention_norm")
                x = norm(x + feed_forward(x, name), f"{name}/output_norm")
            else:
                x = x + attention(norm(x, f"{name}/attention_norm"), f"{name}/attention")
                x = x + feed_forward(norm(x, f"{name}/output_norm"), name)
        if c.norm == "pre":
            x = norm(x, "final_norm")
        outputs.append((x, np.tanh(dense(x[0], "pooled_dense"))))
    return outputs


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_agrees_with_numpy(norm, position):
    backbone, inputs = make(norm=norm, position=position), rows()
    outputs = backbone(inputs)
    for row, (sequence, pooled) in enumerate(reference(backbone, inputs)):
        np.testing.assert_allclose(outputs["sequence_output"][row, : len(sequence)], sequence, atol=1e-5)
        np.testing.assert_allclose(outputs["pooled_output"][row], pooled, atol=1e-5)


def copy_to_keras_hub(ours, theirs):
    """Copy the weights of a post-norm backbone with learned positions into KerasHub's."""
    c = ours.config
    heads = (c.num_heads, c.hidden_dim // c.num_heads)
    theirs.token_embedding.set_weights(ours.embeddings.token_embedding.get_weights())
    theirs.segment_embedding.set_weights(ours.embeddings.segment_embedding.get_weights())
    theirs.position_embedding.set_weights(ours.embeddings.position_embedding.get_weights())
    theirs.embeddings_layer_norm.set_weights(ours.embeddings.norm.get_weights())
    theirs.pooled_dense.set_weights(ours.pooled_dense.get_weights())
    for block, layer in zip(ours.encoder_blocks, theirs.transformer_layers, strict=True):
        attention, kernel_and_bias = layer._self_attention_layer, block.attention.query_key_value.get_weights()
        kernels, biases = (np.split(w, 3, axis=-1) for w in kernel_and_bias)
        for dense, kernel, bias in zip(
            (attention.query_dense, attention.key_dense, attention.value_dense), kernels, biases, strict=True
        ):
            dense.set_weights([kernel.reshape(c.hidden_dim, *heads), bias.reshape(heads)])
        kernel, bias = block.attention.output_dense.get_weights()
        attention.output_dense.set_weights([kernel.reshape(*heads, c.hidden_dim), bias])
        layer._self_attention_layer_norm.set_weights(block.attention_norm.get_weights())
        layer._feedforward_intermediate_dense.set_weights(block.intermediate_dense.get_weights())
        layer._feedforward_intermediate_dense.activation = lambda x: keras.activations.gelu(x, approximate=False)
        layer._feedforward_output_dense.set_weights(block.output_dense.get_weights())
        layer._feedforward_layer_norm.set_weights(block.output_norm.get_weights())


def test_agrees_with_keras_hub():
    keras_hub = pytest.importorskip("keras_hub")
    ours, inputs = make(), rows()
    sizes = ours.config.to_dict()
    names = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim", "max_sequence_length")
    theirs = keras_hub.models.BertBackbone(**{name: sizes[name] for name in names}, dropout=0.0)
    copy_to_keras_hub(ours, theirs)
    expected = theirs({**inputs, "padding_mask": inputs["padding_mask"].astype("int32")})
    outputs = ours(inputs)
    keep = inputs["padding_mask"]
    np.testing.assert_allclose(
        np.asarray(outputs["sequence_output"])[keep], np.asarray(expected["sequence_output"])[keep], atol=1e-5
    )
    np.testing.assert_allclose(outputs["pooled_output"], expected["pooled_output"], atol=1e-5)


@pytest.mark.parametrize("entries", [{}, {"norm": "pre", "position": "rotary"}])
def test_padding_never_influences_others(entries):
    backbone, inputs = make(**entries), rows()
    keep = inputs["padding_mask"]
    other = {
        "token_ids": np.where(keep, inputs["token_ids"], 19).astype("int32"),
        "segment_ids": np.where(keep, inputs["segment_ids"], 1).astype("int32"),
        "padding_mask": keep,
    }
    before, after = backbone(inputs), backbone(other)
    assert np.any(inputs["token_ids"] != other["token_ids"])
    np.testing.assert_array_equal(
        np.asarray(before["sequence_output"])[keep], np.asarray(after["sequence_output"])[keep]
    )
    np.testing.assert_array_equal(before["pooled_output"], after["pooled_output"])
    shorter = backbone({name: value[1:, :4] for name, value in inputs.items()})
    np.testing.assert_allclose(
        np.asarray(shorter["sequence_output"])[keep[1:, :4]],
        np.asarray(before["sequence_output"])[1:, :4][keep[1:, :4]],
        atol=1e-5,
    )


@pytest.mark.parametrize("entries", [{}, {"norm": "pre", "position": "rotary"}])
def test_rows_of_padding_only_stay_finite(entries):
    backbone, inputs = make(**entries), rows()
    inputs["padding_mask"] = np.zeros_like(inputs["padding_mask"])
    with tf.GradientTape() as tape:
        outputs = backbone(inputs)
        total = tf.reduce_sum(outputs["sequence_output"]) + tf.reduce_sum(outputs["pooled_output"])
    for value in (total, *tape.gradient(total, backbone.trainable_variables)):
        assert np.all(np.isfinite(tf.convert_to_tensor(value)))


def test_attention_scores_on_request():
    backbone, inputs = make(), rows()
    outputs = backbone(inputs, return_attention_scores=True)
    scores = np.asarray(outputs["attention_scores"])
    assert scores.shape == (BATCH, 2, 2, LENGTH, LENGTH)
    np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-6)
    assert np.all(scores[1, :, :, :, 4:] == 0.0)
    np.testing.assert_array_equal(outputs["sequence_output"], backbone(inputs)["sequence_output"])


def test_optional_parts():
    backbone, inputs = make(next_sentence=False), rows()
    assert set(backbone(inputs)) == {"sequence_output"}
    assert not any("pooled" in variable.path for variable in backbone.variables)
    rotary = make(position="rotary")
    assert not any("position" in variable.path for variable in rotary.variables)
    del inputs["segment_ids"]
    assert backbone(inputs)["sequence_output"].shape == (BATCH, LENGTH, 8)


@pytest.mark.parametrize("entries", [{}, {"norm": "pre", "position": "rotary"}])
def test_open_shapes_in_a_graph_give_what_eager_gives(entries):
    backbone, inputs = make(**entries), rows()
    signature = {
        "token_ids": tf.TensorSpec((None, None), "int32"),
        "segment_ids": tf.TensorSpec((None, None), "int32"),
        "padding_mask": tf.TensorSpec((None, None), "bool"),
    }
    compiled = tf.function(lambda x: backbone(x)["sequence_output"], input_signature=[signature])
    np.testing.assert_allclose(compiled(inputs), backbone(inputs)["sequence_output"], atol=1e-5)


@pytest.mark.parametrize("position", ["learned", "rotary"])
def test_rows_longer_than_the_positions_are_refused(position):
    backbone, inputs = make(max_sequence_length=6, position=position), rows()
    with pytest.raises(InputError, match=r"7 tokens .* 6 positions"):
        backbone(inputs)


def test_config_round_trip_and_stable_paths():
    backbone, inputs = make(norm="pre", position="rotary"), rows()
    copy = BertBackbone.from_config(backbone.get_config())
    assert copy.config == backbone.config
    assert [w.path for w in copy.variables] == [w.path for w in backbone.variables]
    copy.set_weights(backbone.get_weights())
    np.testing.assert_array_equal(copy(inputs)["sequence_output"], backbone(inputs)["sequence_output"])


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_hidden_states_are_the_outputs_of_the_blocks(norm):
    backbone, inputs = make(norm=norm), rows()
    outputs = backbone(inputs, return_hidden_states=True)
    first = backbone.embeddings(inputs["token_ids"], inputs["segment_ids"])
    first = backbone.encoder_blocks[0](first, padding_mask=inputs["padding_mask"])
    assert len(outputs["hidden_states"]) == 2
    np.testing.assert_array_equal(outputs["hidden_states"][0], first)
    np.testing.assert_array_equal(outputs["hidden_states"][1], outputs["sequence_output"])
    assert "hidden_states" not in backbone(inputs)
