import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_mlm.layers.preprocessing.part_of_speech_weights import part_of_speech_weights

UNIVERSAL = ["ADP", "DET", "NOUN", "PUNCT", "VERB", "X"]
JIEBA = ["uj", "p", "n", "x", "v", "nr"]


@pytest.mark.parametrize(
    ("tags", "wanted"), [(UNIVERSAL, [0.5, 0.5, 3, 0.5, 3, 0.5]), (JIEBA, [0.5, 0.5, 3, 0.5, 3, 3])]
)
def test_content_words_weigh_more(tags, wanted):
    weights = part_of_speech_weights(np.arange(6)[None], tags, content=3.0, other=0.5)
    assert weights.dtype == tf.float32 and weights.numpy().tolist() == [wanted]
    ragged = part_of_speech_weights([[0, 2], [4]], tags, content=3.0, other=0.5)
    assert ragged.to_list() == [[wanted[0], wanted[2]], [wanted[4]]]


def test_content_words_are_masked_more_often():
    rng = np.random.default_rng(0)
    pos = rng.integers(0, 6, (1000, 64))
    layer = MaskedLMMaskGenerator(100, 0.15, 4, 10, [0, 1, 2, 3, 4], strategy="whole_word")
    weights = part_of_speech_weights(pos, UNIVERSAL)
    ids = rng.integers(5, 100, (1000, 64))
    out = layer({
        "token_ids": ids, "word_starts": ids > 0, "selection_weights": weights, "example_index": np.arange(1000)
    })  # fmt: skip
    kinds = np.take_along_axis(pos, out["mask_positions"].numpy(), 1)
    counts = np.bincount(kinds.ravel(), minlength=6)
    assert counts.sum() == 10_000
    content, other = counts[[2, 4]].mean(), counts[[0, 1, 3, 5]].mean()
    assert 1.75 < content / other < 1.95
