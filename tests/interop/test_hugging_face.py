import json
import logging
import shutil
import struct
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from checkpoints import (
    CONFIG,
    PARTS,
    VOCABULARY,
    assert_computes,
    numpy_bert,
    random_tensors,
    rows,
    shapes,
    write_folder,
)
from safetensors.numpy import load_file, save_file

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


def arrays_equal(there, here):
    assert there.keys() == here.keys()
    for name in there:
        np.testing.assert_array_equal(there[name], here[name], err_msg=name)


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


def shard(folder, tensors):
    (Path(folder) / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, Path(folder) / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in halves.items() for name in part}}
    (Path(folder) / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


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


# === Tensors that do not fit ===


def test_every_missing_and_misshapen_tensor_is_listed_with_its_shape(pretraining_folder, tmp_path):
    _, tensors = pretraining_folder
    for layer in (0, 1):
        del tensors[f"bert.encoder.layer.{layer}.output.dense.bias"]
    tensors["bert.pooler.dense.weight"] = np.zeros((8, 9), "float32")
    tensors["bert.encoder.layer.7.output.dense.bias"] = np.zeros(8, "float32")
    folder = write_folder(tmp_path / "wrong", tensors)
    with pytest.raises(InputError) as raised:
        load_hugging_face(folder, strict=False)
    message = str(raised.value)
    assert "missing bert.encoder.layer.{0-1}.output.dense.bias (8,)" in message
    assert "unexpected bert.encoder.layer.7.output.dense.bias (8,)" in message
    assert "of another shape bert.pooler.dense.weight (8, 9), not (8, 8)" in message
    assert "strict" not in message


def test_a_head_that_the_class_has_but_the_file_lacks_is_an_error(tmp_path, caplog):
    tensors = random_tensors(CONFIG, ("encoder",))
    folder = write_folder(tmp_path / "truncated", tensors, architecture="BertForMaskedLM")
    with pytest.raises(InputError, match=r"missing cls\.predictions\.transform.*cls\.predictions\.bias \(63,\)"):
        load_hugging_face(folder)
    with caplog.at_level(logging.WARNING):
        model = load_hugging_face(folder, strict=False)
    assert "left out, as strict=False allows: missing cls.predictions" in caplog.text
    batch = rows()
    assert_computes(model, numpy_bert(tensors, batch), batch)


@pytest.mark.parametrize("architecture", ["BertForSequenceClassification", "BertForTokenClassification"])
def test_a_classifier_gives_its_encoder_when_its_head_may_be_left_out(tmp_path, caplog, architecture):
    parts = ("encoder", "pooler") if "Sequence" in architecture else ("encoder",)
    tensors = random_tensors(CONFIG, parts)
    head = {"classifier.weight": np.zeros((3, 8), "float32"), "classifier.bias": np.zeros(3, "float32")}
    folder = write_folder(tmp_path / "classifier", tensors | head, architecture=architecture)
    with pytest.raises(InputError, match=r"unexpected classifier\.bias \(3,\), classifier\.weight \(3, 8\); strict"):
        load_hugging_face(folder)
    with caplog.at_level(logging.WARNING):
        model = load_hugging_face(folder, strict=False)
    assert "left out, as strict=False allows: unexpected classifier" in caplog.text
    batch = rows()
    assert_computes(model, numpy_bert(tensors, batch), batch)


def test_a_nan_is_no_weight(pretraining_folder, tmp_path):
    tensors = pretraining_folder[1]
    tensors["bert.pooler.dense.bias"][2] = np.nan
    with pytest.raises(InputError, match=r"NaN or an infinity in bert\.pooler\.dense\.bias"):
        load_hugging_face(write_folder(tmp_path / "nan", tensors))


def test_two_values_for_one_place_are_refused(pretraining_folder, tmp_path):
    tensors = pretraining_folder[1]
    tensors["pooler.dense.bias"] = tensors["bert.pooler.dense.bias"] + 1
    with pytest.raises(InputError, match=r"bert\.pooler\.dense\.bias twice"):
        load_hugging_face(write_folder(tmp_path / "twice", tensors))


# === Bad input ===


def edit(folder, name, **entries):
    path = Path(folder) / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"model_type": "roberta"}, "model_type 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"hidden_act": ["gelu"]}, "hidden_act"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder"),
        ({"quantization_config": {"bits": 8}}, "quantization_config"),
        ({"hidden_size": "8"}, "hidden_size '8'"),
        ({"hidden_size": 8.0}, "hidden_size 8.0"),
        ({"num_attention_heads": 3}, "not a multiple"),
        ({"architectures": ["RobertaForMaskedLM"]}, "RobertaForMaskedLM"),
        ({"architectures": [{"file": "/etc/passwd"}]}, "names the class"),
        ({"vocab_size": 99}, "63 tokens, but vocab_size 99"),
        ({"num_hidden_layers": 10**9}, "asks for .* parameters, the weights hold"),
        ({"max_position_embeddings": 10**12}, "asks for .* parameters, the weights hold"),
        ({"num_hidden_layers": 3}, r"missing bert\.encoder\.layer\.2\."),
    ],
)
def test_a_config_of_another_model_is_refused(pretraining_folder, entries, message):
    edit(pretraining_folder[0], "config.json", **entries)
    with pytest.raises(InputError, match=message):
        load_hugging_face(pretraining_folder[0])


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff", "[" * 200_000])
def test_a_damaged_config_is_one_line(pretraining_folder, text):
    (Path(pretraining_folder[0]) / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"config\.json"):
        load_hugging_face(pretraining_folder[0])


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 3000, -1])
def test_a_truncated_safetensors_file_is_named(pretraining_folder, keep):
    path = Path(pretraining_folder[0]) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"model\.safetensors is truncated"):
        load_hugging_face(pretraining_folder[0])


def test_a_header_that_claims_ten_gigabytes_is_refused_unread(pretraining_folder):
    path = Path(pretraining_folder[0]) / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 10 * 1024**3) + path.read_bytes()[8:])
    with pytest.raises(InputError, match=r"model\.safetensors is truncated or no safetensors"):
        load_hugging_face(pretraining_folder[0])


def test_a_tensor_that_claims_ten_gigabytes_is_refused_unread(pretraining_folder):
    path = Path(pretraining_folder[0]) / "model.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 16, 1 << 16], "data_offsets": [0, 1 << 34]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match=r"model\.safetensors is truncated or no safetensors"):
        load_hugging_face(pretraining_folder[0])


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_refused_with_the_command_that_converts_it(pretraining_folder, name):
    folder = Path(pretraining_folder[0])
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(InputError, match=rf"{name}, a pickle.*save_pretrained"):
        load_hugging_face(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"])
def test_a_link_out_of_the_folder_is_not_followed(pretraining_folder, tmp_path, name):
    folder = Path(pretraining_folder[0])
    shutil.move(folder / name, tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match=rf"{name} is a link to a place outside"):
        load_hugging_face(str(folder))


@pytest.mark.parametrize("name", ["config.json", "vocab.txt"])
def test_a_giant_text_is_refused_unread(pretraining_folder, name):
    with open(Path(pretraining_folder[0]) / name, "ab") as file:
        file.truncate(10 * 1024**3)  # sparse: it takes no disk
    with pytest.raises(InputError, match=rf"{name} has 10,737,418,240 bytes"):
        load_hugging_face(pretraining_folder[0])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_where_a_file_belongs_is_refused(pretraining_folder, name):
    path = Path(pretraining_folder[0]) / name
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"no plain file|holds no weights"):
        load_hugging_face(pretraining_folder[0])


def test_a_link_inside_the_folder_is_a_file_like_others(pretraining_folder):
    folder = Path(pretraining_folder[0])
    expected = load_hugging_face(str(folder)).get_weights()
    (folder / "model.safetensors").rename(folder / "weights")
    (folder / "model.safetensors").symlink_to("weights")
    for here, there in zip(load_hugging_face(str(folder)).get_weights(), expected, strict=True):
        assert (here == there).all()


@pytest.mark.parametrize(
    "file",
    [
        "../outside.safetensors",
        "/etc/passwd",
        "file:///etc/passwd",
        "https://example.com/model.safetensors",
        "..\\outside.safetensors",
        "C:outside.safetensors",
        "pytorch_model.bin",
        "sub/model.safetensors",
        "",
        "..",
    ],
)
def test_an_index_that_points_elsewhere_is_refused(pretraining_folder, tmp_path, file):
    folder, tensors = pretraining_folder
    index = shard(folder, tensors)
    save_file(tensors, tmp_path / "outside.safetensors")
    index["weight_map"] = dict.fromkeys(tensors, file)
    (Path(folder) / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="refused"):
        load_hugging_face(folder)


def test_an_index_that_does_not_fit_its_files_is_refused(pretraining_folder):
    folder, tensors = pretraining_folder
    index = shard(folder, tensors)
    index["weight_map"]["bert.pooler.dense.extra"] = "model-00001-of-00002.safetensors"
    (Path(folder) / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"bert\.pooler\.dense\.extra"):
        load_hugging_face(folder)
    (Path(folder) / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match=r"model-0000"):
        load_hugging_face(folder)


def test_paths_and_code_in_a_config_are_not_followed(pretraining_folder):
    folder = pretraining_folder[0]
    secret = "/etc/passwd"
    edit(folder, "config.json", auto_map={"AutoModel": "../evil.Model"}, _name_or_path=secret, vocab_file=secret)
    edit(folder, "tokenizer_config.json", vocab_file=secret, tokenizer_file="file:///etc/passwd", name_or_path=secret)
    assert load_hugging_face(folder).tokenizer.vocabulary == VOCABULARY


@pytest.mark.parametrize("name", ["/no/such/folder", "a/b/c", "../x", "hf://a/b", "file:///tmp", "https://x/y", ""])
def test_what_is_neither_folder_nor_name_never_reaches_the_network(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("reached the network"))
    with pytest.raises(InputError, match="no such folder"):
        load_hugging_face(name)


def test_weights_of_whole_numbers_are_refused(pretraining_folder, tmp_path):
    tensors = pretraining_folder[1]
    tensors["bert.pooler.dense.weight"] = np.ones((8, 8), "int8")
    with pytest.raises(InputError, match=r"bert\.pooler\.dense\.weight as I8"):
        load_hugging_face(write_folder(tmp_path / "int8", tensors))
