import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.models.word_windows import word_windows

CLS, SEP = -10, -11
SENTENCES = st.lists(st.lists(st.integers(1, 9), max_size=40), min_size=1, max_size=4)


def windows_of(sentences, length):
    counts = np.array([count for sentence in sentences for count in sentence], int)
    pieces = np.arange(counts.sum())  # a piece is its own place
    return counts, word_windows(pieces, counts, [len(s) for s in sentences], length=length, cls=CLS, sep=SEP)


@given(SENTENCES, st.integers(8, 40))
@settings(max_examples=200)
def test_every_word_is_predicted_once_from_its_first_piece_where_the_nearest_cut_is_farthest(sentences, length):
    counts, found = windows_of(sentences, length)
    firsts = np.cumsum(counts) - counts
    ends = np.cumsum([0] + [sum(sentence) for sentence in sentences])

    def cut(row, piece):
        """Pieces between this one and the nearest place where the row cuts its sentence."""
        pieces = row["token_ids"][1:-1]
        left = np.inf if pieces[0] in ends else piece - pieces[0]
        right = np.inf if pieces[-1] + 1 in ends else pieces[-1] - piece
        return min(left, right)

    chosen = {}
    for row, words in zip(found.rows, found.words, strict=True):
        ids = row["token_ids"]
        assert len(ids) == len(words) <= length and (ids[0], ids[-1]) == (CLS, SEP)
        assert np.array_equal(ids[1:-1], np.arange(ids[1], ids[-2] + 1)) and ids[1] <= ids[-2]
        assert not row["segment_ids"].any()
        for token in np.flatnonzero(words >= 0):
            assert words[token] not in chosen and ids[token] == firsts[words[token]]
            chosen[words[token]] = cut(row, ids[token])
    assert sorted(chosen) == list(range(len(counts)))
    for word, piece in enumerate(firsts):
        there = [cut(row, piece) for row in found.rows if piece in row["token_ids"][1:-1]]
        assert chosen[word] == max(there)
    # Nothing is in a row of its own that fits beside the others, and no piece is lost.
    assert {int(i) for row in found.rows for i in row["token_ids"][1:-1]} == set(range(counts.sum()))
    assert found.splits.tolist() == np.cumsum([0] + [len(sentence) for sentence in sentences]).tolist()


def test_a_sentence_that_fits_is_one_row_and_the_longest_windows_are_full():
    _, found = windows_of([[1] * 6, [], [2] * 8], 8)
    assert found.rows[0]["token_ids"].tolist() == [CLS, *range(6), SEP]
    assert {len(row["token_ids"]) for row in found.rows} == {8}
    assert found.words[0].tolist() == [-1, *range(6), -1]


@given(SENTENCES)
@settings(max_examples=50)
def test_labels_go_to_tokens_and_logits_come_back_to_words(sentences):
    counts, found = windows_of(sentences, 10)
    numbers = np.arange(len(counts)) % 5
    labels = found.labels(numbers)
    assert sum(int((of_row >= 0).sum()) for of_row in labels) == len(counts)
    wider = [np.eye(5)[np.append(of_row, [-1, -1])] for of_row in labels]  # padded, as the model gives them
    if len(counts):
        assert found.of_words(wider).argmax(axis=1).tolist() == numbers.tolist()
