"""Every size does what the smallest does: three training steps, and an export that answers."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import PRESETS, BertConfig, PretrainingConfig
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from keras_mlm.training.optimizers import optimizer_from

VOCABULARY = [*SPECIAL_TOKENS, *(f"word{number}" for number in range(995))]
ROWS, LENGTH, SLOTS = 2, 16, 3


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_three_steps_and_an_export(tmp_path, preset):
    rng = np.random.default_rng(0)
    config = BertConfig.from_preset(preset, vocabulary_size=len(VOCABULARY))
    model = BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY))
    model.compile(optimizer_from(PretrainingConfig.from_style(steps=3)))
    x = {
        "token_ids": rng.integers(5, 1000, (ROWS, LENGTH)).astype("int32"),
        "segment_ids": np.zeros((ROWS, LENGTH), "int32"),
        "padding_mask": np.ones((ROWS, LENGTH), bool),
        "mask_positions": np.array([[1, 5, 9]] * ROWS, "int32"),
    }
    y = {"masked_lm": rng.integers(5, 1000, (ROWS, SLOTS)).astype("int32"), "next_sentence": np.array([0, 1], "int32")}
    weights = {"masked_lm": np.ones((ROWS, SLOTS), "float32"), "next_sentence": np.ones(ROWS, "float32")}
    before = model.get_weights()[0].copy()
    history = model.fit(tf.data.Dataset.from_tensors((x, y, weights)).repeat(3), verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert np.abs(model.get_weights()[0] - before).max() > 0

    path = export_saved_model(model, str(tmp_path), ExportOptions(LENGTH, top_k=3))
    served = tf.saved_model.load(path).signatures["fill_mask"](text=tf.constant(["word1 [MASK] word2"]))
    expected = [candidate.score for candidate in model.fill_mask("word1 [MASK] word2", top_k=3)[0][0]]
    np.testing.assert_allclose(served["scores"][0, 0], expected, atol=1e-5)
