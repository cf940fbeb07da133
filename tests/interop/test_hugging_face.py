import json
import logging
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from checkpoints import (
    CONFIG,
    PARTS,
    VOCABULARY,
    arrays_equal,
    assert_computes,
    numpy_bert,
    random_tensors,
    rows,
    shapes,
    shard,
    write_folder,
)
from safetensors.numpy import load_file

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# === What is computed ===


@pytest.mark.parametrize("architecture", PARTS)
@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
def test_a_checkpoint_computes_what_the_paper_says(tmp_path, architecture, activation):
    config = {**CONFIG, "hidden_act": activation, "layer_norm_eps": 1e-3, "type_vocab_size": 3}
    tensors = random_tensors(config, PARTS[architecture])
    folder = write_folder(tmp_path / "bert", tensors, architecture=architecture, **config)
    model, batch = load_hugging_face(folder), rows()
    assert_computes(model, numpy_bert(tensors, batch, eps=1e-3, tanh=activation == "gelu_new"), batch)
    assert model.config.next_sentence == ("pooler" in PARTS[architecture])
    assert model.tokenizer.normalization == "bert"


def test_an_untied_decoder_and_its_bias_are_used_and_written_again(tmp_path):
    tensors = random_tensors(CONFIG, PARTS["BertForMaskedLM"])
    tensors["cls.predictions.decoder.weight"] = np.roll(tensors["bert.embeddings.word_embeddings.weight"], 1, axis=0)
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    folder = write_folder(tmp_path / "untied", tensors, architecture="BertForMaskedLM", tie_word_embeddings=False)
    model, batch = load_hugging_face(folder), rows()
    assert not model.config.tie_word_embeddings
    assert_computes(model, numpy_bert(tensors, batch), batch)
    save_hugging_face(model, str(tmp_path / "again"))
    arrays_equal(load_file(tmp_path / "again/model.safetensors"), tensors)
    assert json.loads((tmp_path / "again/config.json").read_text())["tie_word_embeddings"] is False


def test_every_old_spelling_of_a_name_is_the_same_model(pretraining_folder, tmp_path):
    folder, tensors = pretraining_folder
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
           for name, value in tensors.items()}  # fmt: skip
    old["bert.embeddings.position_ids"] = np.arange(16)[None]
    old["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    old["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    other = write_folder(tmp_path / "old", old, architecture="BertForPreTraining")
    for here, there in zip(load_hugging_face(folder).weights, load_hugging_face(other).weights, strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_bare_encoder_without_pooler_loads_and_says_what_is_new(tmp_path, caplog):
    tensors = random_tensors(CONFIG, ("encoder",))
    bare = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    with caplog.at_level(logging.WARNING):
        model = load_hugging_face(write_folder(tmp_path / "bare", bare, architecture="BertModel"))
    assert "has no masked-LM head: new ones, to be trained" in caplog.text
    batch = rows()
    assert_computes(model, numpy_bert(tensors, batch), batch)
    assert not model.config.next_sentence


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_other_precisions_become_float32(pretraining_folder, tmp_path, kind):
    _, tensors = pretraining_folder
    stored = {
        name: tensor.astype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind) for name, tensor in tensors.items()
    }
    model, batch = load_hugging_face(write_folder(tmp_path / "half", stored)), rows()
    assert_computes(model, numpy_bert(stored, batch), batch)
    assert {variable.dtype for variable in model.weights} == {"float32"}


def test_sharded_weights_are_the_same_model(pretraining_folder, tmp_path):
    folder, tensors = pretraining_folder
    shard(folder, tensors)
    model, batch = load_hugging_face(folder), rows()
    assert_computes(model, numpy_bert(tensors, batch), batch)


# === Round trip ===


def test_out_and_back_is_bit_identical(pretraining_folder, tmp_path):
    folder, tensors = pretraining_folder
    model = load_hugging_face(folder)
    save_hugging_face(model, str(tmp_path / "again"))
    arrays_equal(load_file(tmp_path / "again/model.safetensors"), tensors)
    again = load_hugging_face(str(tmp_path / "again"))
    assert again.config == model.config
    assert again.tokenizer.vocabulary == VOCABULARY
    for here, there in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(here, there)
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json",
                     "special_tokens_map.json", "README.md"}  # fmt: skip
    assert str(tmp_path) not in "".join((tmp_path / "again" / name).read_text() for name in names if "safe" not in name)


@pytest.mark.parametrize("architecture", PARTS)
def test_a_class_is_written_with_its_tensors_and_no_others(pretraining_folder, tmp_path, architecture):
    save_hugging_face(load_hugging_face(pretraining_folder[0]), str(tmp_path / "out"), architecture=architecture)
    expected = shapes(CONFIG, PARTS[architecture])
    if architecture == "BertModel":
        expected = {name.removeprefix("bert."): shape for name, shape in expected.items()}
    written = load_file(tmp_path / "out/model.safetensors")
    assert {name: tensor.shape for name, tensor in written.items()} == expected
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == [architecture]
    load_hugging_face(str(tmp_path / "out"))


@pytest.mark.parametrize("change", [{"norm": "pre"}, {"position": "rotary"}, {"gated": True}, {"biases": False}])
def test_a_model_that_is_no_classic_bert_is_not_written(tmp_path, change):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
    config = BertConfig(vocabulary_size=len(VOCABULARY), **sizes, **change)
    model = BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY, normalization="bert"))
    with pytest.raises(InputError, match="classic"):
        save_hugging_face(model, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_model_is_left_alone(pretraining_folder):
    folder, _ = pretraining_folder
    before = (Path(folder) / "model.safetensors").read_bytes()
    with pytest.raises(InputError, match="holds a model already"):
        save_hugging_face(load_hugging_face(folder), folder)
    assert (Path(folder) / "model.safetensors").read_bytes() == before


def test_without_safetensors_the_extra_is_named_and_nothing_written(pretraining_folder, tmp_path, monkeypatch):
    model = load_hugging_face(pretraining_folder[0])
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (
        lambda: load_hugging_face(pretraining_folder[0]),
        lambda: save_hugging_face(model, str(tmp_path / "o")),
    ):
        with pytest.raises(InputError, match=r"keras-mlm\[interop\]"):
            call()
    assert not (tmp_path / "o").exists()
