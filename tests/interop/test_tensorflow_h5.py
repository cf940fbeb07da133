from pathlib import Path

import h5py
import numpy as np
import pytest
from checkpoints import CONFIG, PARTS, assert_computes, numpy_bert, random_tensors, rows, write_folder

from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face


def tensorflow_paths(name: str, model: str) -> list[str]:
    """Where TensorFlow classes of transformers 4 keep a tensor, written down from such files."""
    owner, kind = name.rsplit(".", 1)
    owner = owner.replace(".", "/").replace("encoder/layer/", "encoder/layer_._")
    if "LayerNorm" in owner:
        kind = {"weight": "gamma", "bias": "beta"}[kind]
    elif owner.endswith(("position_embeddings", "token_type_embeddings")):
        kind = "embeddings"
    elif kind == "weight" and not owner.endswith("word_embeddings"):
        kind = "kernel"
    if name.startswith("bert."):
        paths = [f"bert/{model}/{owner}/{kind}:0"]
        if owner.endswith("word_embeddings"):  # the head keeps what it shares, too
            paths.append(f"mlm___cls/{model}/{owner}/{kind}:0")
        return paths
    if name == "cls.predictions.bias":
        return [f"mlm___cls/{model}/mlm___cls/predictions/bias:0"]
    group = "mlm___cls" if "predictions" in owner else "nsp___cls"
    return [f"{group}/{model}/{owner.replace('cls/', group + '/', 1)}/{kind}:0"]


def write_h5(folder: str, tensors: dict[str, np.ndarray]) -> Path:
    (Path(folder) / "model.safetensors").unlink()
    path = Path(folder) / "tf_model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"bert", b"mlm___cls", b"nsp___cls"]
        file.create_group("top_level_model_weights")
        for name, tensor in tensors.items():
            for place in tensorflow_paths(name, "tf_bert_for_pre_training"):
                file[place] = tensor.T if place.endswith("kernel:0") else tensor
    return path


@pytest.mark.parametrize("architecture", PARTS)
def test_every_variable_of_a_tensorflow_file_is_accounted_for(tmp_path, architecture):
    tensors = random_tensors(CONFIG, PARTS[architecture])
    folder = write_folder(tmp_path / "tf", tensors, architecture=architecture)
    write_h5(folder, tensors)
    model, batch = load_hugging_face(folder), rows()
    assert_computes(model, numpy_bert(tensors, batch), batch)


def test_a_missing_and_an_unknown_variable_are_listed(pretraining_folder):
    folder, tensors = pretraining_folder
    path = write_h5(folder, tensors)
    with h5py.File(path, "a") as file:
        del file["bert/tf_bert_for_pre_training/bert/encoder/layer_._1/output/dense/kernel:0"]
        file["dropout/tf_bert_for_pre_training/extra/kernel:0"] = np.zeros((2, 3), "float32")
    with pytest.raises(InputError) as raised:
        load_hugging_face(folder)
    assert "missing bert.encoder.layer.1.output.dense.weight (8, 12)" in str(raised.value)
    assert "unexpected extra.weight (3, 2)" in str(raised.value)


def test_external_links_and_storage_are_refused(pretraining_folder, tmp_path):
    folder, tensors = pretraining_folder
    path = write_h5(folder, tensors)
    name = "bert/tf_bert_for_pre_training/bert/pooler/dense/bias:0"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = tensors["bert.pooler.dense.bias"]
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    with pytest.raises(InputError, match="to another place: refused"):
        load_hugging_face(folder)
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, (8,), "float32", external=[(str(tmp_path / "other.h5"), 0, 32)])
    with pytest.raises(InputError, match="from another file: refused"):
        load_hugging_face(folder)


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_truncated_file_is_named(pretraining_folder, keep):
    folder, tensors = pretraining_folder
    path = write_h5(folder, tensors)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"tf_model\.h5 is damaged"):
        load_hugging_face(folder)
