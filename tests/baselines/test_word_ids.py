"""Words as numbers, in training or only known, and which of their vectors training changes."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_mlm.baselines import neural_models
from keras_mlm.baselines.neural_models import NeuralModel, NeuralTagger
from keras_mlm.baselines.word_ids import BETWEEN, PADDING, UNKNOWN, WordIds

KNOWN = ["river", "lake", "rock"]
VECTORS = SimpleNamespace(
    size=2, table=SimpleNamespace(index_to_key=KNOWN, vectors=np.arange(6, dtype="float32").reshape(3, 2) + 1)
)


def network(ids, width):
    inputs = keras.Input((width,), dtype="int32")
    return keras.Model(inputs, ids.embed(inputs))


def test_each_word_begins_with_its_vector():
    ids = WordIds(["rock", "sand", "rock"], VECTORS)
    numbers = ids.numbers(["river", "lake", "rock", "sand", "boat"])
    assert numbers[-1] == UNKNOWN and len(set(numbers)) == 5
    found = network(ids, 7).predict(np.array([[PADDING, BETWEEN, *numbers]]), verbose=0)[0]
    np.testing.assert_array_equal(found[2:5], VECTORS.table.vectors)
    assert not found[0].any() and found[1].any() and found[5].any() and found[6].any()
    assert len({tuple(row) for row in found}) == 7


@pytest.mark.parametrize("vectors", [VECTORS, None])
def test_training_changes_the_vectors_of_its_words_alone(vectors):
    ids = WordIds(["rock", "sand"], vectors)
    model = network(ids, 2)
    words = [*KNOWN, "sand"] if vectors else ["rock", "sand"]
    seen, all_numbers = (
        np.array([ids.numbers(["rock", "sand"])]),
        np.array([[number] * 2 for number in ids.numbers(words)]),
    )
    before = model.predict(all_numbers, verbose=0)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(np.repeat(seen, 4, 0), np.full((4, 2, before.shape[-1]), 9.0), epochs=2, verbose=0)
    changed = (model.predict(all_numbers, verbose=0) != before).any(axis=(1, 2))
    assert changed.tolist() == [word in ("rock", "sand") for word in words]


@pytest.mark.parametrize("model", [NeuralModel("cnn"), NeuralTagger("cnn"), NeuralTagger("bilstm")])
def test_what_a_network_finds_does_not_depend_on_padding(model, monkeypatch):
    """Rows are cut where the longest of their batch ends: beside longer ones they come to the same."""
    monkeypatch.setattr(neural_models, "EPOCHS", 1)
    rng = np.random.default_rng(0)
    sentences = [[str(word) for word in rng.choice(KNOWN, length)] for length in (1, 3, 9, 30) for _ in range(8)]
    tags = [["A" if word == "rock" else "B" for word in sentence] for sentence in sentences]
    if isinstance(model, NeuralModel):
        sentences, tags = [" ".join(words) for words in sentences], np.array([len(words) > 5 for words in sentences])
    model.fit((sentences, tags), (sentences, tags), 0)
    batch = model._rows(sentences)
    together = model.model.predict(batch, verbose=0)
    for row, answer in zip(batch[::8], together[::8], strict=True):
        length = np.count_nonzero(row)
        alone = model.model.predict(row[None, :length], verbose=0)[0]
        np.testing.assert_allclose(alone, answer[:length] if answer.ndim == 2 else answer, atol=1e-5)
    if isinstance(model, NeuralModel):
        found = model.predict(["", *sentences])
        assert found[1:].tolist() == together.argmax(axis=1).tolist()
        neural_models.fitted(model.model, *[(model._rows(["", ""]), np.array([0, 1]))] * 2)  # of no words at all
        assert np.isfinite(model.model.predict(batch, verbose=0)).all()
