"""Small models of each kind, whose vocabulary and classes hold what would be markup."""

import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SCRIPT = "<script>alert(1)</script>"
WORDS = ["paris", "is", "the", "capital", "of", "france", ".", "##s", "中", "国", "的", "<", ">", "script", "alert",
         "(", "1", ")", "/", "a", "b", "&", "$", "\"", "'", "##<b>", "<i>"]  # fmt: skip


def with_weights(model):
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        offset = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(offset + generator.normal(size=variable.shape, scale=0.3))
    return model


def config(**entries):
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 48}
    return BertConfig(len(SPECIAL_TOKENS) + len(WORDS), **{**sizes, **entries})


@pytest.fixture(scope="session")
def tokenizer():
    return WordPieceTokenizer([*SPECIAL_TOKENS, *WORDS])


@pytest.fixture(scope="session")
def pretrainer(tokenizer):
    return with_weights(BertPretrainer(config(), tokenizer=tokenizer))


@pytest.fixture(scope="session")
def without_pairs(tokenizer):
    return with_weights(BertPretrainer(config(next_sentence=False), tokenizer=tokenizer))


@pytest.fixture(scope="session")
def without_tokenizer():
    return BertPretrainer(config())


@pytest.fixture(scope="session")
def classifier(tokenizer):
    return with_weights(BertTextClassifier(config(), [SCRIPT, "sport", "a & b"], tokenizer, long_text="head_tail"))


@pytest.fixture(scope="session")
def tagger(tokenizer):
    return with_weights(BertTokenClassifier(config(), [f"B-{SCRIPT}", f"I-{SCRIPT}", "B-LOC", "I-LOC", "O"], tokenizer))
