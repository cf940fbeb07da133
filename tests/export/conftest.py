"""A small model of each kind of tokenizer and its export, made once for all tests of this folder."""

import shutil
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Enough filler that a vocabulary written twice, or weights written twice, would show in the sizes.
VOCABULARY = [*SPECIAL_TOKENS, "paris", "is", "the", "capital", "of", "france", ".", "##s", "中", "国",
              *(f"filler{number}" for number in range(3000))]  # fmt: skip
LENGTH, TOP_K, SLOTS = 16, 4, 3
CLASSES = ["sport", "politics", "中国", "a class"]
TAGS = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
ROTARY = {"norm": "pre", "position": "rotary"}
CLASSIFIERS = {
    "truncate": ("bert", {"long_text": "truncate"}, {}),
    "head_tail": ("fast", {"long_text": "head_tail", "multi_label": True, "temperature": 1.7}, ROTARY),
    "windows": ("fast", {"long_text": "windows", "temperature": 0.6}, ROTARY),
}


def _make_model(normalization="fast", **overrides):
    keras.utils.set_random_seed(11)
    config = BertConfig(**{
        "vocabulary_size": len(VOCABULARY), "num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64,
        "max_sequence_length": 32, "initializer_range": 0.5, **overrides,
    })  # fmt: skip
    return BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY, normalization=normalization))


@pytest.fixture(scope="session")
def make_model():
    return _make_model


@pytest.fixture(scope="session", params=["fast", "bert"])
def model(request):
    """Pre-norm and rotary with the fast tokenizer, the paper's with the exact one and a single layer."""
    return _make_model(request.param, **(ROTARY if request.param == "fast" else {"num_layers": 1}))


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory) -> Path:
    """The export, moved away from where it was written."""
    folder = tmp_path_factory.mktemp("model")
    path = export_saved_model(model, str(folder), ExportOptions(LENGTH, TOP_K, SLOTS))
    assert path == str(folder / "1")
    return Path(shutil.move(path, tmp_path_factory.mktemp("elsewhere") / "moved"))


@pytest.fixture(scope="session")
def served(exported):
    return serve(exported)


def _make_classifier(normalization="fast", head=None, **overrides):
    keras.utils.set_random_seed(13)
    config = BertConfig(**{
        "vocabulary_size": len(VOCABULARY), "num_layers": 1, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64,
        "max_sequence_length": 32, "initializer_range": 0.5, **overrides,
    })  # fmt: skip
    tokenizer = WordPieceTokenizer(VOCABULARY, normalization=normalization)
    return BertTextClassifier(config, CLASSES, tokenizer, **{"length": LENGTH, **(head or {})})


@pytest.fixture(scope="session")
def make_classifier():
    return _make_classifier


@pytest.fixture(scope="session", params=[
    "windows", *(pytest.param(rule, marks=pytest.mark.slow) for rule in ("head_tail", "truncate")),
])  # fmt: skip
def classifier(request):
    """One with each rule for long texts; with and without temperature and several labels."""
    normalization, head, style = CLASSIFIERS[request.param]
    return _make_classifier(normalization, head, **style)


@pytest.fixture(scope="session")
def exported_classifier(classifier, tmp_path_factory) -> Path:
    """Its export, moved away from where it was written."""
    path = export_saved_model(classifier, str(tmp_path_factory.mktemp("topics")))
    return Path(shutil.move(path, tmp_path_factory.mktemp("elsewhere") / "moved"))


@pytest.fixture(scope="session")
def served_classifier(exported_classifier):
    return serve(exported_classifier)


def _make_tagger(normalization="fast", classes=TAGS, **overrides):
    keras.utils.set_random_seed(17)
    config = BertConfig(**{
        "vocabulary_size": len(VOCABULARY), "num_layers": 1, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64,
        "max_sequence_length": 32, "initializer_range": 0.5, **overrides,
    })  # fmt: skip
    tokenizer = WordPieceTokenizer(VOCABULARY, normalization=normalization)
    return BertTokenClassifier(config, classes, tokenizer, length=LENGTH)


@pytest.fixture(scope="session")
def make_tagger():
    return _make_tagger


@pytest.fixture(scope="session", params=["fast", pytest.param("bert", marks=pytest.mark.slow)])
def tagger(request):
    """Entities with the fast tokenizer, parts of speech with the exact one."""
    if request.param == "fast":
        return _make_tagger(**ROTARY)
    return _make_tagger("bert", ["ADJ", "NOUN", "VERB"])


@pytest.fixture(scope="session")
def exported_tagger(tagger, tmp_path_factory) -> Path:
    """Its export, moved away from where it was written."""
    path = export_saved_model(tagger, str(tmp_path_factory.mktemp("names")), ExportOptions(word_slots=40))
    return Path(shutil.move(path, tmp_path_factory.mktemp("elsewhere") / "moved"))


@pytest.fixture(scope="session")
def served_tagger(exported_tagger):
    return serve(exported_tagger)


def serve(path):
    """The signatures of a loaded export, each a callable of named inputs that returns numpy arrays."""
    loaded = tf.saved_model.load(str(path))

    def call(name, **inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return {key: value.numpy() for key, value in loaded.signatures[name](**tensors).items()}

    call.signatures = loaded.signatures
    call.keep = loaded  # the signatures hold its variables weakly
    return call
