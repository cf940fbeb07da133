import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError, RunError
from keras_mlm.model_folder import load_model, save_model, write_metrics
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [
    *SPECIAL_TOKENS,
    "paris",
    "is",
    "the",
    "capital",
    "of",
    "france",
    ".",
    "##s",
    "中",
]
FILES = {"config.json", "model.weights.h5", "vocab.txt", "tokenizer.json", "README.md", "metrics.json"}


def make_model(**overrides):
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 16}
    config = BertConfig(vocabulary_size=len(VOCABULARY), **{**sizes, **overrides})
    return BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return make_model(norm="pre", position="rotary")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(model, str(folder), metrics={"perplexity": 31.4})
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


# === Round trip ===


def test_a_loaded_model_is_the_saved_one(model, saved):
    loaded = load_model(str(saved))
    assert {path.name for path in saved.iterdir()} == FILES
    assert loaded.config == model.config
    assert loaded.tokenizer.vocabulary == VOCABULARY
    for there, here in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(there, here)
    text = "Paris is the [MASK] of France ."
    assert loaded.fill_mask(text) == model.fill_mask(text)


def test_a_folder_in_another_file_system(model):
    save_model(model, "ram://models/tiny")
    np.testing.assert_array_equal(load_model("ram://models/tiny").embed("paris"), model.embed("paris"))


def test_the_optimizer_is_not_saved_and_mixed_precision_becomes_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_model(dropout=0.0)
        model.compile("adam")
        model.optimizer.build(model.trainable_variables)
        save_model(model, str(tmp_path / "m"))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    with h5py.File(tmp_path / "m/model.weights.h5") as file:
        found = []
        file.visititems(lambda name, entry: found.append(entry) if isinstance(entry, h5py.Dataset) else None)
        assert sum(entry.size for entry in found) == model.count_params()
    loaded = load_model(str(tmp_path / "m"))
    assert loaded.compute_dtype == "float32"
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_saving_again_replaces_the_weights_and_keeps_everything_else(copy):
    (copy / "run").mkdir()
    (copy / "run/notes").write_text("kept")
    other = make_model(norm="pre", position="rotary")
    save_model(other, str(copy), metrics={"masked_lm_accuracy": 0.5})
    np.testing.assert_array_equal(load_model(str(copy)).get_weights()[0], other.get_weights()[0])
    assert (copy / "run/notes").read_text() == "kept"
    metrics = json.loads((copy / "metrics.json").read_text())
    assert metrics == {"parameters": other.count_params(), "perplexity": 31.4, "masked_lm_accuracy": 0.5}


@pytest.mark.parametrize("change", [{"num_layers": 1}, {"norm": "post", "position": "learned"}])
def test_a_folder_with_another_model_is_left_alone_and_the_difference_named(copy, change):
    before = contents(copy)
    with pytest.raises(InputError, match=next(iter(change))):
        save_model(make_model(**{"norm": "pre", "position": "rotary", **change}), str(copy))
    assert contents(copy) == before


@pytest.mark.parametrize("step", ["copy", "makedirs"])
def test_a_full_disk_leaves_what_was_there(copy, monkeypatch, step):
    before = contents(copy)

    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.io.gfile, step, full)
    with pytest.raises(RunError, match="No space left"):
        save_model(make_model(norm="pre", position="rotary"), str(copy))
    assert contents(copy) == before


def test_without_a_tokenizer_nothing_is_saved(model, tmp_path):
    bare = BertPretrainer(model.config)
    with pytest.raises(InputError, match="tokenizer"):
        save_model(bare, str(tmp_path / "m"))
    assert not (tmp_path / "m").exists()


# === Card and metrics ===


def test_the_card_tells_sizes_training_and_figures(copy):
    (copy / "run").mkdir()
    run = {"pretraining": {"learning_rate": 0.002, "steps": None}, "text": ["/secret/corpus.txt"]}
    (copy / "run/run.json").write_text(json.dumps(run))
    assert write_metrics(str(copy), {"perplexity": 12.5})["perplexity"] == 12.5
    card = (copy / "README.md").read_text()
    assert "2 layers × 8" in card
    assert "| perplexity | 12.5 |" in card
    assert "| learning_rate | 0.002 |" in card
    assert "steps" not in card
    assert "secret" not in card
    assert json.loads((copy / "metrics.json").read_text())["perplexity"] == 12.5
    load_model(str(copy))


# === What is refused ===


@pytest.mark.parametrize("name", sorted(FILES - {"README.md", "metrics.json"}))
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(InputError, match=name):
        load_model(str(copy))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary": "/etc/passwd"}, "vocabulary"),
        ({"class": "os.system"}, "os.system"),
        ({"format_version": 2}, "format_version 2"),
        ({"model": {"vocabulary_size": len(VOCABULARY), "weights": "http://example.com/w.h5"}}, "weights"),
        ({"model": ["BertConfig"]}, "model"),
        ({"model": {"vocabulary_size": 99}}, "99"),
        ({"vocabulary_hash": "0" * 64}, "vocab.txt"),
    ],
)
def test_a_config_that_points_elsewhere_is_refused(copy, change, message):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(InputError, match=message):
        load_model(str(copy))


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"format_version": 1', "\xff"])
def test_a_damaged_config_is_one_line(copy, text):
    (copy / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"config\.json"):
        load_model(str(copy))


def test_another_vocabulary_is_refused(copy):
    (copy / "vocab.txt").write_text("\n".join([*VOCABULARY[:-1], "国"]) + "\n")
    with pytest.raises(InputError, match=r"vocab\.txt"):
        load_model(str(copy))


def test_weights_of_another_shape_are_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    config["model"]["intermediate_dim"] = 24
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"does not fit") as caught:
        load_model(str(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98])
def test_cut_weights_are_refused(copy, share):
    path = copy / "model.weights.h5"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"model\.weights\.h5"):
        load_model(str(copy))
