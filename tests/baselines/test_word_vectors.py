"""With gensim, which the extra `baselines` brings."""

import gzip

import numpy as np
import pytest

from keras_mlm.baselines.linear_models import averaged_vectors
from keras_mlm.baselines.neural_models import NeuralModel
from keras_mlm.baselines.word_vectors import WordVectors
from keras_mlm.errors import InputError

pytestmark = pytest.mark.slow
pytest.importorskip("gensim")

GLOVE = "river 1 0 0\nlake 0.9 0.1 0\nrock 0 1 0\nsand 0 0.9 0.2\n"


@pytest.fixture
def vectors(tmp_path):
    (tmp_path / "glove.txt").write_text(GLOVE)
    return WordVectors.load(str(tmp_path / "glove.txt"))


def test_gloves_format_and_word2vecs_are_the_same_vectors(vectors, tmp_path):
    (tmp_path / "w2v.txt.gz").write_bytes(gzip.compress(f"4 3\n{GLOVE}".encode()))
    other = WordVectors.load(str(tmp_path / "w2v.txt.gz"))
    assert other.table.index_to_key == vectors.table.index_to_key == ["river", "lake", "rock", "sand"]
    np.testing.assert_array_equal(other.table.vectors, vectors.table.vectors)
    vectors.save(str(tmp_path / "again.txt"))
    np.testing.assert_array_equal(WordVectors.load(str(tmp_path / "again.txt")).table.vectors, vectors.table.vectors)


@pytest.mark.parametrize("text", [None, "", "river 1 0\nlake 1\n", "river one two\n", "\0\0\1"])
def test_what_has_no_vectors_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "v.txt").write_text(text)
    with pytest.raises(InputError, match=r"v\.txt"):
        WordVectors.load(str(tmp_path / "v.txt"))


def test_a_mean_is_over_the_known_words_and_a_pair_has_four_parts(vectors):
    one, none, pair = (vectors.means([text])[0] for text in ("River unseen lake", "unseen", ("river", "rock")))
    np.testing.assert_allclose(one, [0.95, 0.05, 0], atol=1e-6)
    np.testing.assert_array_equal(none, np.zeros(3))
    np.testing.assert_allclose(pair, [1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0], atol=1e-6)


def test_words_of_one_topic_lie_together(tmp_path):
    draw = np.random.default_rng(0)
    topics = [["river", "lake", "rain", "boat"], ["rock", "sand", "hill", "stone"]]
    lines = [" ".join(draw.choice(topics[draw.integers(2)], 8)) for _ in range(3000)]
    (tmp_path / "t.txt").write_text("\n\n".join(lines))
    vectors = WordVectors.train([str(tmp_path / "t.txt")], size=16)
    assert vectors.table.similarity("river", "boat") > vectors.table.similarity("river", "stone") + 0.3
    assert vectors.seconds > 0
    (tmp_path / "s.txt").write_text("a few words .\n\nonly\n")
    with pytest.raises(InputError, match="too little text"):
        WordVectors.train([str(tmp_path / "s.txt")])


def test_documents_that_hold_what_judges_are_left_out(tmp_path):
    told = "the judges know that nobody has seen this one sentence before"
    (tmp_path / "dev.tsv").write_text(f"1\t{told}\n")
    (tmp_path / "t.txt").write_text(f"{told}\nsecret words stand beside it\n\n" * 4 + "river lake rain boat\n\n" * 200)
    paths = [str(tmp_path / "t.txt")]
    assert "secret" in WordVectors.train(paths, size=4).table
    vectors = WordVectors.train(paths, size=4, exclude=[str(tmp_path / "dev.tsv")])
    assert set(vectors.table.index_to_key) == {"river", "lake", "rain", "boat"}


TRAIN = (["river river", "lake", "rock rock", "sand", "rock", "river lake"] * 8, np.array([0, 0, 1, 1, 1, 0] * 8))


def test_what_only_the_vectors_tell_is_told(vectors):
    """`lake` and `sand` are not in training: their vectors say what they are like."""
    train = (["river river", "rock rock", "rock", "river"] * 8, np.array([0, 1, 1, 0] * 8))
    dev = (["river", "rock"], np.array([0, 1]))
    model = averaged_vectors(vectors)
    model.fit(train, dev, 0)
    assert model.predict(["lake", "sand sand"]).tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["cnn", "bilstm"])
def test_networks_learn_the_order_of_words(kind, vectors):
    train = (["river rock", "rock river", "lake sand", "sand lake"] * 30, np.array([0, 1, 0, 1] * 30))
    model = NeuralModel(kind, vectors)
    model.fit(train, train, 0)
    assert model.predict(["river rock", "sand lake"]).tolist() == [0, 1]
    assert model.megabytes > 0
    model.fit(
        ([("river", "rock"), ("rock", "river")] * 40, np.array([0, 1] * 40)), ([("river", "rock")], np.array([0])), 0
    )
    assert model.predict([("river", "rock")]).tolist() == [0]
