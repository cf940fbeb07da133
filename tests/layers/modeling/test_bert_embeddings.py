import numpy as np
import pytest

from keras_mlm.layers.modeling.bert_embeddings import BertEmbeddings

TOKENS = np.array([[2, 5, 3, 0], [2, 9, 9, 3]], "int32")
SEGMENTS = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], "int32")


def test_sums_the_tables_and_normalises():
    layer = BertEmbeddings(10, 8, max_sequence_length=6)
    layer.build((None, None))
    generator = np.random.default_rng(0)
    weights = {w.path.split("/", 1)[1]: generator.normal(size=w.shape).astype("float32") for w in layer.weights}
    layer.set_weights(list(weights.values()))
    x = weights["token_embedding/embeddings"][TOKENS] + weights["segment_embedding/embeddings"][SEGMENTS]
    x = x + weights["position_embedding/embeddings"][:4]
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * weights["norm/gamma"] + weights["norm/beta"]
    np.testing.assert_allclose(layer(TOKENS, SEGMENTS), x, atol=1e-5)


def test_segments_default_to_the_first():
    layer = BertEmbeddings(10, 8)
    np.testing.assert_array_equal(layer(TOKENS), layer(TOKENS, np.zeros_like(SEGMENTS)))
    assert np.abs(np.asarray(layer(TOKENS)) - np.asarray(layer(TOKENS, SEGMENTS))).max() > 1e-3


@pytest.mark.parametrize("positions", [None, 6])
def test_config_round_trip(positions):
    layer = BertEmbeddings(10, 8, max_sequence_length=positions, dropout=0.1)
    layer.build((None, None))
    copy = BertEmbeddings.from_config(layer.get_config())
    copy.build((None, None))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(TOKENS), layer(TOKENS))
    assert len(copy.weights) == (4 if positions is None else 5)
