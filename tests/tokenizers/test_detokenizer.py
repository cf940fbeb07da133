import pytest
import tensorflow as tf

from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [
    *["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cap", "##ital", ",", ".", "(", ")", "'", "t", "don"],
    *["中", "国", "，", "。", "“", "”", "of", "の", "-"],
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer(VOCABULARY, normalization="bert")


@pytest.mark.parametrize(
    "text",
    [
        "the capital, of (the) cap.", "don't", "“the” cap-of", "中国，中の国。", "the 中国 of", "[MASK] of 中国", "",
    ],
)  # fmt: skip
def test_what_was_tokenized_comes_back(tokenizer, text):
    ids = tokenizer.tokenize(text, mask_tokens=True)
    assert tokenizer.detokenize(ids).numpy().decode() == text


def test_batches_padding_and_graph(tokenizer):
    dense = [[2, 5, 6, 7, 3, 0, 0], [0, 0, 0, 0, 0, 0, 0], [7, 15, 16, 0, 5, 1, 5]]
    expected = [b"[CLS] the capital [SEP]", b"", "ital 中国 the [UNK] the".encode()]
    assert tokenizer.detokenize(dense).numpy().tolist() == expected
    assert tokenizer.detokenize(tf.constant(dense, tf.int64)).numpy().tolist() == expected
    assert tf.function(tokenizer.detokenize)(tf.ragged.constant(dense)).numpy().tolist() == expected
    assert tokenizer.detokenize([]).numpy() == b""
