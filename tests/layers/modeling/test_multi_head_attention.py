import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.layers.modeling.fused_run import compiled_runs
from keras_mlm.layers.modeling.multi_head_attention import MultiHeadAttention

BATCH, LENGTH, HEADS, HEAD_DIM = 2, 5, 2, 4
HIDDEN = HEADS * HEAD_DIM


def make(**arguments):
    layer = MultiHeadAttention(HEADS, HIDDEN, initializer_range=0.5, **arguments)
    layer.build((None, None, HIDDEN))
    generator = np.random.default_rng(1)
    layer.set_weights([generator.normal(size=w.shape, scale=0.5).astype("float32") for w in layer.get_weights()])
    return layer


def hidden_states(seed=0, batch=BATCH, length=LENGTH):
    return np.random.default_rng(seed).normal(size=(batch, length, HIDDEN)).astype("float32")


def turned(vector, position):
    """Rotary positions by complex numbers: pair i is one number, turned by position · 10000^(−2i/d)."""
    half = HEAD_DIM // 2
    pairs = vector[:half] + 1j * vector[half:]
    pairs = pairs * np.exp(1j * position * 10_000.0 ** (-2.0 * np.arange(half) / HEAD_DIM))
    return np.concatenate([pairs.real, pairs.imag])


def reference(layer, x, padding_mask, rotary):
    """Softmax(Q · Kᵀ / √d) · V written out with one loop a head and a query, in double precision."""
    kernel, bias, output_kernel, output_bias = (w.astype("float64") for w in layer.get_weights())
    output, all_scores = np.zeros(x.shape), np.zeros((len(x), HEADS, x.shape[1], x.shape[1]))
    for row in range(len(x)):
        query, key, value = np.split(x[row].astype("float64") @ kernel + bias, 3, axis=-1)
        heads = []
        for head in range(HEADS):
            part = slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)
            attended = []
            for i in range(x.shape[1]):
                at_query, at_keys = query[i, part], key[:, part]
                if rotary:
                    at_query = turned(at_query, i)
                    at_keys = np.stack([turned(k, j) for j, k in enumerate(at_keys)])
                scores = at_keys @ at_query / np.sqrt(HEAD_DIM)
                scores = np.where(padding_mask[row], scores, -np.inf)
                scores = np.exp(scores - scores.max())
                scores /= scores.sum()
                all_scores[row, head, i] = scores
                attended.append(scores @ value[:, part])
            heads.append(np.stack(attended))
        output[row] = np.concatenate(heads, axis=-1) @ output_kernel + output_bias
    return output, all_scores


@pytest.mark.parametrize("rotary", [False, True])
def test_agrees_with_the_formula(rotary):
    layer = make(rotary=rotary)
    x = hidden_states()
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
    output, scores = layer(x, padding_mask=mask, return_attention_scores=True)
    expected_output, expected_scores = reference(layer, x, mask, rotary)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    np.testing.assert_allclose(output, expected_output, atol=1e-5)


def test_no_mask_looks_everywhere():
    layer, x = make(), hidden_states()
    everywhere = layer(x, padding_mask=np.ones((BATCH, LENGTH), bool))
    np.testing.assert_allclose(layer(x), everywhere, atol=1e-6)


@pytest.mark.parametrize("rotary", [False, True])
def test_padding_never_influences_others_and_a_padded_row_stays_finite(rotary):
    layer, x = make(rotary=rotary), hidden_states()
    mask = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    other = x.copy()
    other[0, 3:] = 1000.0
    before, scores = layer(x, padding_mask=mask, return_attention_scores=True)
    after = layer(other, padding_mask=mask)
    np.testing.assert_array_equal(before[0, :3], after[0, :3])
    assert np.all(scores[0, :, :, 3:] == 0.0)
    assert np.all(np.isfinite(before)) and np.all(np.isfinite(scores))


def test_rotary_scores_depend_on_the_distance_only():
    layer = make(rotary=True)
    x = np.repeat(hidden_states(length=1), LENGTH, axis=1)
    # Equal contents: the products of query and key, so their differences, are those of the distance.
    _, scores = layer(x, return_attention_scores=True)
    logs = np.log(scores)
    np.testing.assert_allclose(logs[..., 2, 2] - logs[..., 2, 1], logs[..., 3, 3] - logs[..., 3, 2], atol=1e-5)
    assert np.abs(logs[..., 2, 1] - logs[..., 2, 3]).max() > 1e-3  # left and right are told apart


def test_attention_dropout_drops_scores_in_training_only():
    layer, x = make(dropout=0.5), hidden_states()
    np.testing.assert_array_equal(layer(x, training=False), layer(x, training=False))
    assert np.abs(np.asarray(layer(x, training=True)) - np.asarray(layer(x, training=True))).max() > 1e-3
    assert make(dropout=0.0).dropout is None


def test_config_round_trip():
    layer = make(rotary=True, dropout=0.25)
    copy = MultiHeadAttention.from_config(layer.get_config())
    copy.build((None, None, HIDDEN))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(hidden_states()), layer(hidden_states()))
    assert copy.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(MultiHeadAttention) == "keras_mlm>MultiHeadAttention"


@pytest.mark.parametrize("packed", [False, True])
def test_gradients_of_the_scores_that_are_written_out_are_those_of_the_formula(packed):
    layer, upstream = make(), tf.constant(hidden_states(3))
    padding = np.arange(LENGTH) < np.array([[5], [3]])
    masks = {"attention_mask": padding[:, None, :] & (np.tri(LENGTH, dtype=bool)[None])} if packed else {}
    masks = masks or {"padding_mask": padding}

    def step(compiled):
        x = tf.constant(hidden_states())
        with compiled_runs(compiled), tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(upstream * layer(x, **masks))
        return loss, *tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_variables)])

    plain, compiled = (tf.function(step)(compiled) for compiled in (False, True))
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
