import json
import runpy
import string
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.named_model import load_named
from keras_mlm.model_folder import load_model, save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def convert():
    return runpy.run_path(str(RECIPES / "convert.py"))["convert"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    keras.utils.set_random_seed(1)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 16}
    vocabulary = [*SPECIAL_TOKENS, *string.ascii_lowercase, "paris"]
    config = BertConfig(vocabulary_size=len(vocabulary), activation="gelu_tanh", **sizes)
    model = BertPretrainer(config, tokenizer=WordPieceTokenizer(vocabulary, normalization="bert"))
    folder = tmp_path_factory.mktemp("models") / "ours"
    save_model(model, str(folder))
    return str(folder)


def test_there_and_back_is_the_same_model_and_the_report_says_so(convert, model_folder, tmp_path, capsys):
    figures = convert(source=model_folder, target=f"hf:{tmp_path / 'hf'}")
    assert set(figures["written"].values()) == {0.0}
    assert json.loads((tmp_path / "hf/parity.json").read_text()) == figures
    assert "largest difference" in capsys.readouterr().out
    convert(source=f"hf:{tmp_path / 'hf'}", target=str(tmp_path / "back"))
    for here, there in zip(load_named(model_folder).weights, load_named(str(tmp_path / "back")).weights, strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_preset_of_keras_hub_and_back(convert, model_folder, tmp_path):
    figures = convert(source=model_folder, target=f"keras_hub:{tmp_path / 'hub'}")
    assert figures["written"]["sequence_output"] < 1e-6
    assert figures["written"]["masked_lm"] is None
    back = load_named(f"keras_hub:{tmp_path / 'hub'}")
    assert back.tokenizer.vocabulary == load_named(model_folder).tokenizer.vocabulary


def classifier_of(model_folder, folder, kind=BertTextClassifier):
    pooling = {"pooling": "cls"} if kind is BertTextClassifier else {}
    model = kind.from_encoder(load_named(model_folder), ["no", "yes", "maybe"], length=12, **pooling)
    save_model(model, str(folder))
    return str(folder)


@pytest.mark.parametrize("kind", [BertTextClassifier, BertTokenClassifier])
def test_a_classifier_there_and_back_is_the_same_and_the_report_says_so(convert, model_folder, tmp_path, capsys, kind):
    classifier = classifier_of(model_folder, tmp_path / "classifier", kind)
    figures = convert(source=classifier, target=f"hf:{tmp_path / 'hf'}")
    pooled = 0.0 if kind is BertTextClassifier else None
    assert figures["written"] == {"sequence_output": 0.0, "pooled_output": pooled, "logits": 0.0}
    assert f"a {kind.__name__}" in capsys.readouterr().out
    convert(source=f"hf:{tmp_path / 'hf'}", target=str(tmp_path / "back"))
    here, there = load_model(classifier), load_model(str(tmp_path / "back"))
    assert here.get_config() == there.get_config()
    for mine, theirs in zip(here.predict_texts(["paris", "a b"]), there.predict_texts(["paris", "a b"]), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_head_that_is_not_written_is_not_compared(convert, model_folder, tmp_path):
    classifier = classifier_of(model_folder, tmp_path / "classifier")
    for target, options in (
        (f"keras_hub:{tmp_path / 'hub'}", {}),
        (f"hf:{tmp_path}/hf", {"architecture": "BertModel"}),
    ):
        figures = convert(source=classifier, target=target, **options)
        assert figures["written"]["sequence_output"] < 1e-6 and figures["written"]["logits"] is None


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("google:out", {}, "read, not written"),
        ("out", {"architecture": "BertModel"}, "--architecture"),
    ],
)
def test_what_cannot_be_written_is_said_at_once(convert, tmp_path, monkeypatch, target, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        convert(source="hf:nothing", target=target, **options)


def test_nothing_is_overwritten(convert, model_folder):
    with pytest.raises(InputError, match="is not empty"):
        convert(source=model_folder, target=f"hf:{model_folder}")


@pytest.mark.parametrize("source", ["nothing", "hf:./nothing", "google:nothing", "keras_hub:nothing"])
def test_a_source_that_is_not_there_is_one_line(convert, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="nothing"):
        convert(source=source, target="out")
    assert not list(tmp_path.iterdir())
