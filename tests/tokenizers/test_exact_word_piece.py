"""Exact mode against Hugging Face's tokenizers, ids and offsets."""

import lzma

import pytest
import tensorflow as tf
from tokenizers import normalizers, pre_tokenizers

from keras_mlm.tokenizers.bert_words import BertWords
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# What is younger than the Unicode of TensorFlow's ICU, mostly capitals, which it does not lower or decompose yet.
YOUNGER_THAN_ICU = """1c89 2c2f a7c0 a7cb a7cc a7ce a7d0 a7d2 a7d4 a7d6 a7d8 a7da a7dc 10570-1057a 1057c-1058a
10d50-10d65 1058c-10592 10594-10595 105c9 105e4 11383 11385 1138e 11391 113c5 113c7-113c8 11938 16121-16128
16d68-16d6a 16ea0-16eb8"""


def differences(tokenizer, reference, texts):
    """The texts whose ids or offsets differ."""
    ours = tokenizer.tokenize_with_offsets(texts)
    plain = tokenizer.tokenize(texts).to_list()
    offsets = [list(zip(*pair, strict=True)) for pair in zip(ours.starts.to_list(), ours.ends.to_list(), strict=True)]
    theirs = reference.encode_batch(texts, add_special_tokens=False)
    return [
        text
        for text, ids, other_ids, places, encoding in zip(
            texts, plain, ours.token_ids.to_list(), offsets, theirs, strict=True
        )
        if not ids == other_ids == encoding.ids or places != encoding.offsets
    ]


@pytest.mark.parametrize("lowercase", [True, False])
def test_nasty_strings_equal_hugging_face(tokenizers, hugging_face, nasty_strings, lowercase):
    assert len(nasty_strings) >= 300
    tokenizer = tokenizers["bert", lowercase]
    tokens = tokenizer.tokenize(nasty_strings).flat_values
    # The comparison is worth something only where few tokens are unknown.
    assert float(tf.reduce_mean(tf.cast(tokens == tokenizer.unk_token_id, tf.float32))) < 0.05
    assert differences(tokenizer, hugging_face(tokenizer.vocabulary, lowercase), nasty_strings) == []


@pytest.mark.parametrize("lowercase", [True, False])
def test_generated_strings_equal_hugging_face(tokenizers, hugging_face, generated_strings, lowercase):
    tokenizer = tokenizers["bert", lowercase]
    different = differences(tokenizer, hugging_face(tokenizer.vocabulary, lowercase), generated_strings)
    assert len(different) <= len(generated_strings) // 1000, different


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, False), (False, True)])
def test_accents_and_case_apart(tokenizers, hugging_face, nasty_strings, lowercase, strip_accents):
    vocabulary = tokenizers["bert", False].vocabulary
    tokenizer = WordPieceTokenizer(vocabulary, normalization="bert", lowercase=lowercase, strip_accents=strip_accents)
    assert differences(tokenizer, hugging_face(vocabulary, lowercase, strip_accents), nasty_strings) == []


@pytest.mark.parametrize(
    ("name", "lowercase"), [("bert-base-uncased", True), ("bert-base-cased", False), ("bert-base-chinese", True)]
)
def test_real_vocabularies(shared_data, hugging_face, nasty_strings, generated_strings, name, lowercase):
    with lzma.open(shared_data / "vocab" / f"{name}-vocab.txt.xz", "rt", encoding="utf-8", newline="\n") as file:
        vocabulary = file.read().removesuffix("\n").split("\n")
    tokenizer = WordPieceTokenizer(vocabulary, normalization="bert", lowercase=lowercase)
    reference = hugging_face(vocabulary, lowercase)
    assert differences(tokenizer, reference, nasty_strings) == []
    assert len(differences(tokenizer, reference, generated_strings)) <= 3


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character_makes_the_same_words(lowercase):
    """All of Unicode up to the ideographs of plane 1; the rest is checked in steps, for the sake of time."""
    code_points = [c for c in [*range(0x20000), *range(0x20000, 0x110000, 61)] if not 0xD800 <= c < 0xE000]
    texts = [f"a{chr(c)}b" for c in code_points]
    words = BertWords(lowercase=lowercase, strip_accents=lowercase)
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    ours = words.split(tf.constant(texts)).to_list()
    assert ours == words.split_with_places(tf.constant(texts))[0].to_list()
    theirs = [
        [word.encode() for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))] for text in texts
    ]
    different = {c for c, mine, other in zip(code_points, ours, theirs, strict=True) if mine != other}
    ranges = [[int(end, 16) for end in ends.split("-")] for ends in YOUNGER_THAN_ICU.split()]
    younger = {c for ends in ranges for c in range(ends[0], ends[-1] + 1)}
    assert different <= (younger if lowercase else set())


def test_a_final_sigma_stays_a_sigma(tokenizers):
    tokenizer = tokenizers["bert", True]
    assert tokenizer.tokenize("ΟΔΥΣΣΕΥΣ").numpy().tolist() == tokenizer.tokenize("οδυσσευσ").numpy().tolist()
