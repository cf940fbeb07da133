"""A small model of each style whose attention differs from head to head and token to token."""

import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

WORDS = ["paris", "is", "the", "capital", "of", "france", ".", "##s", "中", "国", "$", "a", "b", "c", "d", "e"]
STYLES = {
    "classic": {"norm": "post", "position": "learned"},
    "modern": {"norm": "pre", "position": "rotary", "gated": True, "biases": False, "layer_norm_epsilon": 1e-6},
}


def make(style="classic", **entries):
    keras.utils.set_random_seed(0)
    vocabulary = [*SPECIAL_TOKENS, *WORDS]
    sizes = {"num_layers": 2, "num_heads": 3, "hidden_dim": 24, "intermediate_dim": 48, "max_sequence_length": 200}
    config = BertConfig(len(vocabulary), **{**sizes, **STYLES[style], **entries})
    model = BertPretrainer(config, tokenizer=WordPieceTokenizer(vocabulary))
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        offset = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(offset + generator.normal(size=variable.shape, scale=0.3))
    return model


@pytest.fixture(scope="session", params=list(STYLES))
def model_of_style(request):
    return make(request.param)


@pytest.fixture(scope="session")
def model():
    return make()


@pytest.fixture(scope="session")
def tokenizer(model):
    return model.tokenizer
