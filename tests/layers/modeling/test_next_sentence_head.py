import numpy as np

from keras_mlm.layers.modeling.next_sentence_head import NextSentenceHead


def test_two_logits_and_config_round_trip():
    head = NextSentenceHead(8)
    pooled = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
    logits = head(pooled)
    assert logits.shape == (3, 2)
    copy = NextSentenceHead.from_config(head.get_config())
    copy.build((None, 8))
    copy.set_weights(head.get_weights())
    np.testing.assert_array_equal(copy(pooled), logits)
