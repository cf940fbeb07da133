import h5py
import numpy as np
import pytest
from checkpoints import CONFIG, PARTS, assert_computes, numpy_bert, random_tensors, rows, write_folder, write_h5

from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face


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
