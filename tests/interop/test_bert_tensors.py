"""Tensors that do not fit: each is listed, and nothing is loaded by halves."""

import logging

import numpy as np
import pytest
from checkpoints import CONFIG, assert_computes, numpy_bert, random_tensors, rows, write_folder

from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face


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
