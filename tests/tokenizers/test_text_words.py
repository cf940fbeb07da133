import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [*SPECIAL_TOKENS, *"abcdefghijklmnopqrstuvwxyz0123456789.,!?'-中国人北京", "##s", "##t", "un", "##able",
              "cafe", "1", "⁄"]  # fmt: skip
VOCABULARY = list(dict.fromkeys([*VOCABULARY, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789")]))
TOKENIZERS = {
    name: WordPieceTokenizer(VOCABULARY, normalization=name, lowercase=lowercase)
    for name, lowercase in (("fast", True), ("bert", True))
} | {"cased": WordPieceTokenizer(VOCABULARY, normalization="bert", lowercase=False)}


def words_of(text, kind="fast"):
    found = TOKENIZERS[kind].words([text])
    return [text[a:b] for a, b in zip(found.starts, found.ends, strict=True)]


def check(texts, tokenizer):
    found = tokenizer.words(texts)
    pieces = tokenizer.tokenize(texts)
    np.testing.assert_array_equal(found.token_ids, pieces.values)
    assert found.piece_counts.sum() == len(found.token_ids) and (found.piece_counts > 0).all()
    assert found.word_counts.sum() == len(found.starts) == len(found.ends) == len(found.piece_counts)
    word, piece = 0, 0
    for text, words, total in zip(texts, found.word_counts, np.diff(pieces.row_splits), strict=True):
        end = 0
        assert found.piece_counts[word : word + words].sum() == total
        for number in range(word, word + words):
            start, stop = found.starts[number], found.ends[number]
            assert end <= start < stop <= len(text), (text, number)
            assert text[start:stop].strip() == text[start:stop] or "\u200b" in text or not text.isprintable()
            end = stop
            piece += found.piece_counts[number]
        word += words


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_words_of_odd_texts_lie_in_order_and_have_all_the_pieces(kind, nasty_strings, generated_strings):
    check([*nasty_strings, *generated_strings[:1000]], TOKENIZERS[kind])


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3), st.sampled_from(sorted(TOKENIZERS)))
@settings(max_examples=150)
def test_words_of_any_text_lie_in_order_and_have_all_the_pieces(texts, kind):
    check(texts, TOKENIZERS[kind])


def test_words_are_as_they_were_written():
    assert words_of("Unable cats,don't!") == ["Unable", "cats", ",", "don", "'", "t", "!"]
    assert words_of("我在北京") == ["我", "在", "北", "京"]
    assert words_of("ＡＢＣ１２３") == ["ＡＢＣ１２３"]
    assert words_of("a½b…") == ["a½b", "…"] or words_of("a½b…") == ["a", "½", "b", "…"]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_mark_belongs_to_what_it_stands_on(kind):
    text = unicodedata.normalize("NFD", "un café.")
    assert words_of(text, kind) == ["un", unicodedata.normalize("NFD", "café"), "."]


def test_no_texts_and_empty_texts_have_no_words():
    assert TOKENIZERS["fast"].words([]).word_counts.tolist() == []
    found = TOKENIZERS["fast"].words(["", "a", " \n", "b c"])
    assert found.word_counts.tolist() == [0, 1, 0, 2] and found.starts.tolist() == [0, 0, 2]
