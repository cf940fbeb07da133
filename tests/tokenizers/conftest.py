import argparse
import json
import random
import textwrap
from pathlib import Path

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
def nasty_strings():
    return json.loads(Path(__file__).with_name("nasty_strings.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def generated_strings(nasty_strings):
    """3,000 strings of 1 to 60 characters: runs of nasty ones, a script's letters, spaces and any code point."""
    draw = random.Random(20260)
    pool = sorted(set("".join(nasty_strings)))
    scripts = [
        "abcdefghij",
        "ABCXYZ",
        "0123456789",
        "éÈüß",
        "жЖёЁ",
        "σΣΐ",
        "中文字符",
        "のがカ",
        "한글",
        " \t\n",
        ".,!?-…“”",
    ]

    def run():
        kind = draw.random()
        if kind < 0.6:
            return "".join(draw.choices(draw.choice(scripts), k=draw.randint(1, 8)))
        if kind < 0.95:
            return "".join(draw.choices(pool, k=draw.randint(1, 5)))
        code_point = draw.randrange(0x110000 - 0x800)
        return chr(code_point if code_point < 0xD800 else code_point + 0x800)

    return ["".join(run() for _ in range(draw.randint(1, 10))) for _ in range(3000)]


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
