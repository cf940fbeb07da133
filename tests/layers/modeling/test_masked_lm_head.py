import math

import numpy as np

from keras_mlm.layers.modeling.masked_lm_head import MaskedLMHead

GENERATOR = np.random.default_rng(0)
STATES = GENERATOR.normal(size=(3, 6, 8)).astype("float32")
POSITIONS = np.array([[1, 5], [4, 0], [2, 2]], "int32")
EMBEDDINGS = GENERATOR.normal(size=(11, 8)).astype("float32")


def make():
    head = MaskedLMHead(11, 8)
    head.build((None, None, 8))
    head.set_weights([GENERATOR.normal(size=w.shape).astype("float32") for w in head.get_weights()])
    return head


def test_predicts_at_the_positions_with_the_token_embeddings():
    head = make()
    logits = np.asarray(head(STATES, POSITIONS, EMBEDDINGS))
    assert logits.shape == (3, 2, 11)
    gelu = np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))
    for row in range(3):
        for slot in range(2):
            x = STATES[row, POSITIONS[row, slot]].astype("float64")
            x = gelu(x @ np.asarray(head.dense.kernel) + np.asarray(head.dense.bias))
            x = (x - x.mean()) / x.std() * np.asarray(head.norm.gamma) + np.asarray(head.norm.beta)
            np.testing.assert_allclose(logits[row, slot], EMBEDDINGS @ x + np.asarray(head.output_bias), atol=1e-4)


def test_config_round_trip():
    head = make()
    copy = MaskedLMHead.from_config(head.get_config())
    copy.build((None, None, 8))
    copy.set_weights(head.get_weights())
    np.testing.assert_array_equal(copy(STATES, POSITIONS, EMBEDDINGS), head(STATES, POSITIONS, EMBEDDINGS))


def test_an_untied_head_uses_its_own_matrix():
    head = MaskedLMHead(11, 8, tied=False, activation="gelu_tanh")
    head.build((None, None, 8))
    tied = MaskedLMHead(11, 8, activation="gelu_tanh")
    tied.build((None, None, 8))
    bias, _, *others = head.get_weights()
    tied.set_weights([bias, *others])
    logits = head(STATES, POSITIONS, np.zeros_like(EMBEDDINGS))
    np.testing.assert_allclose(logits, tied(STATES, POSITIONS, np.asarray(head.output_embeddings)), atol=1e-6)
    copy = MaskedLMHead.from_config(head.get_config())
    assert (copy.tied, copy.activation) == (False, "gelu_tanh")
