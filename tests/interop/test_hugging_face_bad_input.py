"""What a stranger's folder may hold instead of a BERT."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from checkpoints import VOCABULARY, edit, shard, write_folder
from safetensors.numpy import save_file

from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face


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
    with pytest.raises(InputError, match=rf"{name}, a pickle.*weights_only=True"):
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
