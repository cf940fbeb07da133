"""ONNX files answer what the model answers."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.onnx import convert, export_onnx
from keras_mlm.export.pretrainer_on_device import PretrainerOnDevice
from keras_mlm.export.signature import Signature

OPTIONS = ExportOptions(length=16, top_k=4, mask_slots=3)


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["fast", "bert"])
def test_onnxruntime_answers_what_the_model_answers(make_model, tmp_path, normalization):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra onnx)")
    style = {"norm": "pre", "position": "rotary"} if normalization == "fast" else {}
    model = make_model(normalization, **style)
    path = export_onnx(model, str(tmp_path), OPTIONS)
    assert path == str(tmp_path / "onnx" / "1")
    metadata = json.loads((tmp_path / "onnx" / "1" / "metadata.json").read_text())
    assert set(metadata["files"]) == {"fill_mask_ids.onnx", "embed_ids.onnx"}

    ids = np.array([[2, 5, 4, 7, 3, *[0] * 11], [2, 4, 3, *[0] * 13], [2, *[8] * 13, 4, 3]], "int32")
    rows = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": (ids > 0).astype("int32")}
    for signature in PretrainerOnDevice(model, OPTIONS).ids():
        if not signature.name.endswith("_dynamic"):
            continue
        session = onnxruntime.InferenceSession(f"{path}/{signature.name.removesuffix('_dynamic')}.onnx")
        names = [output.name for output in session.get_outputs()]
        assert set(names) == set(signature.outputs)
        for batch in (rows, {name: values[:2, :9] for name, values in rows.items()}):
            expected = {name: value.numpy() for name, value in signature.function(**batch).items()}
            for name, value in zip(names, session.run(None, batch), strict=True):
                assert (value.dtype, value.shape) == (expected[name].dtype, expected[name].shape)
                if value.dtype == np.float32:
                    np.testing.assert_allclose(value, expected[name], atol=1e-4)
                elif name == "candidate_ids":
                    used = expected["positions"] >= 0
                    np.testing.assert_array_equal(value[used], expected[name][used])
                else:
                    np.testing.assert_array_equal(value, expected[name])


def test_without_the_extra_the_way_out_is_named(make_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"keras-mlm\[onnx\]"):
        export_onnx(make_model(num_layers=1), str(tmp_path), OPTIONS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_onnx_lacks_is_named_with_its_layer():
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra onnx)")

    def function(a):
        with tf.name_scope("strange_layer"):
            return {"b": tf.math.betainc(a, a, a)}

    signature = Signature("odd", function, (tf.TensorSpec([None], tf.float32, name="a"),), "", {}, {"a": [0.5]})
    with pytest.raises(RunError, match=r"strange_layer/Betainc.*the SavedModel and TFLite"):
        convert(signature)
