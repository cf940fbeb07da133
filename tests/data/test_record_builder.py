import numpy as np
import pytest

from keras_mlm.data.record_builder import build_records
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


@pytest.fixture
def tokenizer(vocabulary):
    return WordPieceTokenizer(vocabulary)


def test_ids_words_and_sentences(tokenizer):
    documents = [(5, ["The other.", "我们。"]), (9, ["Ab"])]
    first, second = build_records(documents, tokenizer)
    tokens = [tokenizer.id_to_token(int(token)) for token in first.token_ids]
    assert tokens == ["the", "o", "##t", "##h", "##er", ".", "我", "们", "。"]
    assert first.word_starts.tolist() == [True, True, False, False, False, True, True, True, True]
    assert first.sentence_starts.tolist() == [True, False, False, False, False, False, True, False, False]
    assert (first.document_id, second.document_id) == (5, 9)
    assert second.sentence_starts.tolist() == [True, False]


def test_what_has_no_tokens_leaves_no_trace(tokenizer):
    documents = [(0, ["", "a", "\u200b", "b", ""]), (1, ["\x07"]), (2, []), (3, ["c", ""])]
    records = list(build_records(documents, tokenizer))
    assert [record.document_id for record in records] == [0, 3]
    assert records[0].sentence_starts.tolist() == [True, True]
    assert records[1].sentence_starts.tolist() == [True]


def test_long_documents_are_cut_between_sentences(tokenizer):
    lengths = [1000, 3000, 96, 1, 4096, 4000, 97, 5]
    document = [" ".join("a" * length) for length in lengths]
    records = list(build_records([(0, document)], tokenizer))
    assert [len(record.token_ids) for record in records] == [4096, 1, 4096, 4000, 102]
    assert [int(record.sentence_starts.sum()) for record in records] == [3, 1, 1, 1, 2]
    assert all(record.sentence_starts[0] for record in records)


def test_a_sentence_longer_than_a_record_is_cut(tokenizer):
    ids = np.concatenate([tokenizer.tokenize(text).numpy() for text in ("a b", "c " * 9000, "d e f")])
    records = list(build_records([(0, ["a b", "c " * 9000, "d e f"])], tokenizer))
    assert [len(record.token_ids) for record in records] == [2, 4096, 4096, 811]
    assert np.array_equal(np.concatenate([record.token_ids for record in records]), ids)
    assert [np.flatnonzero(record.sentence_starts).tolist() for record in records] == [[0], [0], [0], [0, 808]]


@pytest.mark.parametrize("batch_characters", [1, 50, 1 << 20])
def test_batches_do_not_show(tokenizer, make_documents, batch_characters):
    documents = [(i, document.lines) for i, document in enumerate(make_documents(30))]
    expected = list(build_records(documents, tokenizer, batch_characters=300))
    found = list(build_records(documents, tokenizer, batch_characters=batch_characters))
    assert len(found) == len(expected) == 30
    for one, other in zip(found, expected, strict=True):
        assert one.document_id == other.document_id
        for name in ("token_ids", "word_starts", "sentence_starts"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_documents_are_taken_as_they_are_needed(tokenizer):
    taken = []
    documents = ((taken.append(i) or i, ["a b c d e f"]) for i in range(1000))
    next(build_records(documents, tokenizer, batch_characters=100))
    assert len(taken) < 20
