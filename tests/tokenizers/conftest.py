import argparse
import json
import textwrap

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

MODES = [("fast", True), ("fast", False), ("bert", True), ("bert", False)]


@pytest.fixture(scope="session")
def hugging_face():
    """Makes what `BertTokenizerFast` runs, without its special tokens."""

    def make(vocabulary, lowercase, strip_accents=None):
        model = models.WordPiece(
            vocab={token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=100
        )
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    return make


@pytest.fixture(scope="session")
def corpus(nasty_strings):
    return nasty_strings + [module.__doc__ + " ".join(map(str, dir(module))) for module in (argparse, textwrap, json)]


@pytest.fixture(scope="session")
def tokenizers(corpus):
    """A tokenizer of each mode, with a vocabulary that it trained itself and that spells most of the nasty strings."""
    made = {}
    for normalization, lowercase in MODES:
        report = learn_vocabulary(
            corpus, 5000, exact=False, normalization=normalization, lowercase=lowercase, min_frequency=1
        )
        made[normalization, lowercase] = WordPieceTokenizer(
            report.vocabulary, normalization=normalization, lowercase=lowercase
        )
    return made
