import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.next_sentence_pair_generator import NextSentencePairGenerator

WIDTH = 61
GOLDEN = "f4e9902d0b66e4ff"


def documents(count, *, rng, sentences=(2, 6), words=(4, 9)):
    """Rows, one a document, in which every token has another id, so that any span can be traced to its place."""
    rows, place = [], 10
    for _ in range(count):
        lengths = rng.integers(*words, rng.integers(*sentences))
        starts = np.zeros(lengths.sum(), bool)
        starts[np.cumsum(lengths) - lengths] = True
        rows.append((np.arange(place, place + len(starts)), starts))
        place += len(starts)
    return batch(rows, np.arange(count))


def batch(rows, document_id):
    return {
        "token_ids": tf.ragged.constant([list(ids) for ids, _ in rows], tf.int32, ragged_rank=1),
        "sentence_starts": tf.ragged.constant([list(starts) for _, starts in rows], tf.bool, ragged_rank=1),
        "word_starts": tf.ragged.constant([[i % 3 == 0 for i in ids] for ids, _ in rows], tf.bool, ragged_rank=1),
        "document_id": tf.constant(document_id, tf.int64),
        "example_index": tf.range(len(rows), dtype=tf.int64),
    }


@pytest.fixture(scope="module")
def corpus():
    return documents(3000, rng=np.random.default_rng(0), sentences=(1, 7))


@pytest.fixture(scope="module")
def pairs(corpus):
    return NextSentencePairGenerator(WIDTH)(corpus)


def test_pairs_are_what_their_labels_say(corpus, pairs):
    owner = np.repeat(np.arange(3000), corpus["token_ids"].row_lengths())
    starts = corpus["sentence_starts"].values.numpy()
    labels, weights = pairs["next_sentence_labels"].numpy(), pairs["next_sentence_weights"].numpy()
    first, second = (part.to_list() for part in pairs["segments"])
    sentences = [sum(row) for row in corpus["sentence_starts"].to_list()]
    for row, ids in enumerate(corpus["token_ids"].to_list()):
        a, b = first[row], second[row]
        # A is the row up to a sentence start.
        assert a == ids[: len(a)] and a
        if labels[row] == 0:
            assert a + b == ids and b
            assert starts[b[0] - 10]
        else:
            # B is a run of another document's tokens from a sentence start on.
            assert b == list(range(b[0], b[0] + len(b)))
            assert len(set(owner[np.array(b) - 10])) == 1 and owner[b[0] - 10] != row
            assert starts[b[0] - 10]
            assert len(a) + len(b) <= WIDTH
        assert weights[row] == (sentences[row] > 1)
        if sentences[row] == 1:
            assert labels[row] == 1 and a == ids
    assert not pairs["without_negative"].numpy().any()
    # 2,500 pairs count: the deviation of the share is 0.01.
    assert abs(labels[weights == 1].mean() - 0.5) < 0.03


def test_neither_length_nor_ending_betrays_the_label(corpus):
    # The split does not depend on the rate, so each row's B is seen beside what replaces it.
    positive, negative = (NextSentencePairGenerator(WIDTH, negative_rate=rate)(corpus) for rate in (0, 1))
    weights = positive["next_sentence_weights"].numpy() == 1
    was, became = (pairs["segments"][1].row_lengths().numpy()[weights] for pairs in (positive, negative))
    assert (became <= was).all()
    assert became.mean() > 0.95 * was.mean()
    # These rows end with a sentence, so their negatives do, too, wherever the sentences tried allow it.
    starts = np.append(corpus["sentence_starts"].values.numpy(), True)
    last = np.array([b[-1] for b in negative["segments"][1].to_list()])[weights]
    assert starts[last - 10 + 1].mean() > 0.9


def test_every_sentence_start_is_a_split(corpus):
    one = {name: corpus[name][:1] for name in corpus}
    inner = np.flatnonzero(corpus["sentence_starts"][0].numpy())[1:]
    rows = {**{name: tf.concat([value] * 500, 0) for name, value in one.items()}, "example_index": tf.range(500)}
    pairs = NextSentencePairGenerator(WIDTH)(rows)
    found, counts = np.unique(pairs["segments"][0].row_lengths(), return_counts=True)
    assert found.tolist() == inner.tolist()
    assert counts.min() > 0.6 * 500 / len(inner)


def test_word_starts_stay_with_their_tokens(pairs):
    for ids, words in zip(pairs["segments"], pairs["word_starts"], strict=True):
        np.testing.assert_array_equal(words.values, ids.values % 3 == 0)


def test_no_accidental_true_next():
    """All documents end with the same sentence: taken from any of them it is the true next of all."""
    rng = np.random.default_rng(2)
    same = np.arange(1000, 1012)
    rows = []
    for _ in range(400):
        own = rng.integers(10, 900, 10)
        rows.append((np.concatenate([own, same]), np.isin(np.arange(22), [0, 10])))
    pairs = NextSentencePairGenerator(WIDTH)(batch(rows, np.arange(400)))
    labels = pairs["next_sentence_labels"].numpy()
    second = pairs["segments"][1].to_list()
    assert all((b[:8] == list(same[:8])) == (label == 0) for b, label in zip(second, labels, strict=True))
    assert abs(labels.mean() - 0.5) < 0.08


def test_one_document_makes_positives_and_counts_them():
    corpus = documents(200, rng=np.random.default_rng(1))
    corpus["document_id"] = tf.zeros(200, tf.int64)
    pairs = NextSentencePairGenerator(WIDTH)(corpus)
    assert not pairs["next_sentence_labels"].numpy().any()
    assert abs(pairs["without_negative"].numpy().mean() - 0.5) < 0.12


def test_a_document_that_owns_nearly_everything_still_gets_negatives():
    corpus = documents(300, rng=np.random.default_rng(1))
    corpus["document_id"] = tf.constant([0] * 299 + [1], tf.int64)
    pairs = NextSentencePairGenerator(WIDTH)(corpus)
    assert not pairs["without_negative"].numpy().any()
    assert abs(pairs["next_sentence_labels"].numpy().mean() - 0.5) < 0.1


def test_one_sentence_rows_are_filled_and_do_not_count():
    corpus = documents(50, rng=np.random.default_rng(3), sentences=(1, 2), words=(WIDTH, WIDTH + 1))
    pairs = NextSentencePairGenerator(WIDTH + 20)(corpus)
    assert not pairs["next_sentence_weights"].numpy().any()
    assert (pairs["segments"][1].row_lengths().numpy() == 20).all()
    # A row without room is left alone.
    assert (NextSentencePairGenerator(WIDTH)(corpus)["segments"][1].row_lengths().numpy() == 0).all()


def test_swapped_pairs(corpus):
    pairs = NextSentencePairGenerator(WIDTH, negatives="swapped")(corpus)
    labels, weights = pairs["next_sentence_labels"].numpy(), pairs["next_sentence_weights"].numpy()
    first, second = (part.to_list() for part in pairs["segments"])
    words = [part.to_list() for part in pairs["word_starts"]]
    starts = corpus["sentence_starts"].values.numpy()
    for row, ids in enumerate(corpus["token_ids"].to_list()):
        front, back = (second, first) if labels[row] else (first, second)
        assert front[row] + back[row] == ids and front[row]
        assert bool(back[row]) == bool(weights[row]) == (sum(corpus["sentence_starts"][row].numpy()) > 1)
        assert not back[row] or starts[back[row][0] - 10]
        assert words[0][row] == [token % 3 == 0 for token in first[row]]
    assert not labels[weights == 0].any() and not pairs["without_negative"].numpy().any()
    assert abs(labels[weights == 1].mean() - 0.5) < 0.03


def test_with_a_pool_batches_and_threads_do_not_matter(corpus):
    layer = NextSentencePairGenerator(WIDTH)
    pool = {name: corpus[name] for name in ("token_ids", "sentence_starts", "word_starts", "document_id")}
    rows = {name: value[:40] for name, value in corpus.items()}
    expected = layer(rows, pool=pool)
    dataset = tf.data.Dataset.from_tensor_slices(rows)
    for size, threads in ((40, 1), (7, 8)):
        mapped = dataset.batch(size).map(lambda part: layer(part, pool=pool), num_parallel_calls=threads)
        labels, second = [], []
        for part in mapped:
            labels += part["next_sentence_labels"].numpy().tolist()
            second += part["segments"][1].to_list()
        assert labels == expected["next_sentence_labels"].numpy().tolist()
        assert second == expected["segments"][1].to_list()
    other = layer({**rows, "epoch": 1}, pool=pool)
    assert (other["next_sentence_labels"].numpy() != expected["next_sentence_labels"].numpy()).mean() > 0.25


def test_golden_pairs(pairs):
    """A change here changes every run: it needs an entry in the CHANGELOG."""
    digest = hashlib.sha256(pairs["next_sentence_labels"].numpy().tobytes())
    for part in pairs["segments"]:
        digest.update(part.values.numpy().tobytes() + part.row_lengths().numpy().tobytes())
    assert digest.hexdigest()[:16] == GOLDEN


def test_config_round_trip_and_bad_arguments():
    layer = NextSentencePairGenerator(10, negative_rate=0.3, seed=4, negatives="swapped")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    with pytest.raises(InputError, match="max_tokens"):
        NextSentencePairGenerator(1)
    with pytest.raises(InputError, match="negatives must be"):
        NextSentencePairGenerator(10, negatives="order")
    with pytest.raises(InputError, match="negative_rate"):
        NextSentencePairGenerator(10, negative_rate=1.5)
    with pytest.raises(ValueError, match="need sentence_starts, document_id"):
        layer({"token_ids": [[1, 2]]})
