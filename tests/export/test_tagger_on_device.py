"""TFLite and ONNX files of a tagger answer what the model answers, token by token."""

import json

import numpy as np
import pytest

from keras_mlm.export.onnx import export_onnx
from keras_mlm.export.tflite import export_tflite
from keras_mlm.export.tflite_file import PRECISIONS

pytestmark = pytest.mark.slow
LENGTH = 16
TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "dynamic_int8": 0.5}
TEXTS = ["Paris is the capital of France .", "", "中 国", "[MASK] Ünknown", "paris " * 14, "of " * 30]


def rows_of(model, texts):
    """Rows of single texts, cut, of the full width."""
    batch = {name: np.zeros((len(texts), LENGTH), "int32") for name in ("token_ids", "segment_ids", "padding_mask")}
    for index, ids in enumerate(model.tokenizer.tokenize(texts).to_list()):
        row = [2, *ids[: LENGTH - 2], 3]
        batch["token_ids"][index, : len(row)] = row
        batch["padding_mask"][index, : len(row)] = 1
    return batch


def expected_logits(model, batch):
    return np.asarray(model({**batch, "padding_mask": batch["padding_mask"] > 0}, training=False))


class TestTFLite:
    @pytest.fixture(scope="class")
    def folder(self, tagger, tmp_path_factory):
        pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed (the extra tflite)")
        folder = tmp_path_factory.mktemp("names")
        export_tflite(tagger, str(folder))
        return folder / "tflite" / "1"

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_ids_in_and_text_in(self, tagger, folder, precision):
        from ai_edge_litert.interpreter import Interpreter, InterpreterWithCustomOps
        from tensorflow_text import tflite_registrar

        batch = rows_of(tagger, TEXTS)
        expected, used = expected_logits(tagger, batch), batch["padding_mask"] > 0
        ids = Interpreter(str(folder / f"ids_{precision}.tflite"))
        found = ids.get_signature_runner("tag_ids_dynamic")(**batch)
        np.testing.assert_allclose(found["logits"][used], expected[used], atol=TOLERANCE[precision])
        for row in range(len(TEXTS)):
            one = {name: values[row : row + 1] for name, values in batch.items()}
            found = ids.get_signature_runner("tag_ids")(**one)
            np.testing.assert_allclose(found["logits"][0][used[row]], expected[row][used[row]],
                                       atol=TOLERANCE[precision])  # fmt: skip
            assert found["class_ids"][0].tolist() == found["logits"][0].argmax(axis=1).tolist()
        path = folder / f"text_{precision}.tflite"
        if tagger.tokenizer.normalization == "bert":
            assert not path.exists()
            return
        operations = tflite_registrar.SELECT_TFTEXT_OPS
        text = InterpreterWithCustomOps(model_path=str(path), custom_op_registerers=operations)
        for suffix in ("", "_dynamic"):
            tag = text.get_signature_runner(f"tag{suffix}")
            for row, each in enumerate(TEXTS):
                found, width = tag(text=np.array([each])), used[row].sum()
                assert found["token_ids"][0, :width].tolist() == batch["token_ids"][row, :width].tolist()
                logits = found["logits"][0, :width]
                np.testing.assert_allclose(logits, expected[row, :width], atol=TOLERANCE[precision])
                assert found["truncated"] == (found["token_count"] > LENGTH - 2)

    def test_what_lies_beside_the_files_tells_the_tags(self, tagger, folder):
        metadata = json.loads((folder / "metadata.json").read_text())
        assert (metadata["classes"], metadata["scheme"]) == (tagger.classes, tagger.scheme)
        assert "A word's tag is that of its first id" in (folder / "tokenizer.md").read_text()


def test_onnxruntime_answers_what_the_model_answers(tagger, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra onnx)")
    path = export_onnx(tagger, str(tmp_path))
    batch = rows_of(tagger, TEXTS)
    logits, class_ids = onnxruntime.InferenceSession(f"{path}/tag_ids.onnx").run(["logits", "class_ids"], batch)
    used = batch["padding_mask"] > 0
    np.testing.assert_allclose(logits[used], expected_logits(tagger, batch)[used], atol=1e-4)
    assert class_ids.tolist() == logits.argmax(axis=2).tolist()
