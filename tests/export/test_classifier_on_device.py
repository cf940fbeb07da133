"""TFLite and ONNX files of a classifier answer what the model answers, by the same rule for long texts."""

import json

import numpy as np
import pytest

from keras_mlm.export.onnx import export_onnx
from keras_mlm.export.tflite import TEXT_OPERATIONS, export_tflite
from keras_mlm.export.tflite_file import PRECISIONS

pytestmark = pytest.mark.slow
LENGTH = 16
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "dynamic_int8": 0.1}
TEXTS = ["Paris is the capital of France .", "", "中 国", "[MASK] Ünknown", "paris " * 14, "of " * 15,
         "paris is the capital of france . " * 7]  # fmt: skip
PAIRS = [("paris is", "the capital"), ("中", ""), ("", ""), ("paris " * 30, "of " * 3), ("of", "france . " * 9),
         ("the capital " * 20, "of france . " * 20)]  # fmt: skip


def close(precision, found, expected):
    np.testing.assert_allclose(found, expected, atol=TOLERANCE[precision])


def rows_of(model, texts, width=None):
    rows = model.encode(texts)
    width = width or max(len(row["token_ids"]) for row in rows)
    batch = {name: np.zeros((len(rows), width), "int32") for name in ("token_ids", "segment_ids", "padding_mask")}
    for index, row in enumerate(rows):
        used = slice(0, len(row["token_ids"]))
        batch["token_ids"][index, used], batch["segment_ids"][index, used] = row["token_ids"], row["segment_ids"]
        batch["padding_mask"][index, used] = 1
    return rows, batch


class TestTFLite:
    @pytest.fixture(scope="class")
    def folder(self, classifier, tmp_path_factory):
        pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed (the extra tflite)")
        folder = tmp_path_factory.mktemp("topics")
        assert export_tflite(classifier, str(folder)) == str(folder / "tflite" / "1")
        return folder / "tflite" / "1"

    def runner(self, path, name):
        from ai_edge_litert.interpreter import Interpreter, InterpreterWithCustomOps
        from tensorflow_text import tflite_registrar

        if path.name.startswith("ids"):
            return Interpreter(str(path)).get_signature_runner(name)
        operations = tflite_registrar.SELECT_TFTEXT_OPS
        return InterpreterWithCustomOps(model_path=str(path), custom_op_registerers=operations).get_signature_runner(
            name
        )

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_ids_in(self, classifier, folder, precision):
        path = folder / f"ids_{precision}.tflite"
        rows, batch = rows_of(classifier, TEXTS, LENGTH)
        logits = np.stack(classifier.logits(rows))
        probabilities = classifier.predictions(logits).probabilities
        one = self.runner(path, "classify_ids")
        for row in range(len(rows)):
            found = one(**{name: values[row : row + 1] for name, values in batch.items()})
            close(precision, found["probabilities"][0], probabilities[row])
        several = self.runner(path, "classify_ids_dynamic")
        found = several(**batch)
        close(precision, found["probabilities"], probabilities)
        if precision == "float32":
            close(precision, found["logits"], logits)
        narrow = rows_of(classifier, TEXTS[:4])[1]
        close(precision, several(**narrow)["probabilities"], classifier.predict_texts(TEXTS[:4]).probabilities)
        embedded = self.runner(path, "embed_ids_dynamic")(**narrow)
        norms = np.linalg.norm(embedded["mean_pooled"], axis=1)
        np.testing.assert_allclose(norms, [1, 0, 1, 1], atol=1e-2)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_text_in(self, classifier, folder, precision):
        path = folder / f"text_{precision}.tflite"
        if classifier.tokenizer.normalization == "bert":
            assert not path.exists()
            return
        tokens = classifier.tokenizer.tokenize(TEXTS).to_list()
        expected = classifier.predict_texts(TEXTS).probabilities
        for suffix in ("", "_dynamic"):
            classify = self.runner(path, f"classify{suffix}")
            for row, text in enumerate(TEXTS):
                found = classify(text=np.array([text]))
                close(precision, found["probabilities"][0], expected[row])
                assert found["token_count"] == len(tokens[row])
                assert found["unknown_count"] == tokens[row].count(1)
                longer = len(tokens[row]) > LENGTH - 2 and classifier.long_text != "windows"
                assert found["truncated"] == longer
        if classifier.long_text == "windows":
            return
        expected = classifier.predict_texts(PAIRS).probabilities
        for suffix in ("", "_dynamic"):
            classify = self.runner(path, f"classify_pair{suffix}")
            for row, (a, b) in enumerate(PAIRS):
                found = classify(text_a=np.array([a]), text_b=np.array([b]))
                close(precision, found["probabilities"][0], expected[row])
                count = sum(len(ids) for ids in classifier.tokenizer.tokenize([a, b]).to_list())
                assert (found["token_count"], found["truncated"]) == (count, count > LENGTH - 3)

    def test_tokens_are_those_of_the_row(self, classifier, folder):
        path = folder / "text_float32.tflite"
        if classifier.tokenizer.normalization == "fast":
            rows, batch = rows_of(classifier, TEXTS, LENGTH)
            first = [next(i for i, row in enumerate(rows) if row["text_index"] == text) for text in range(len(TEXTS))]
            tokenize = self.runner(path, "tokenize")
            for text, row in zip(TEXTS, first, strict=True):
                assert tokenize(text=np.array([text]))["token_ids"][0].tolist() == batch["token_ids"][row].tolist()

    def test_what_lies_beside_the_files_describes_them(self, classifier, folder):
        metadata = json.loads((folder / "metadata.json").read_text())
        for name in ("classes", "long_text", "multi_label", "temperature", "length"):
            assert metadata[name] == getattr(classifier, name)
        for name, entry in metadata["files"].items():
            assert entry["custom_operations"] == (list(TEXT_OPERATIONS) if name.startswith("text") else [])
            assert not [operation for operation in entry["operations"] if "Flex" in operation]
            for signature, described in entry["signatures"].items():
                assert set(self.runner(folder / name, signature).get_output_details()) == set(described["outputs"])
        page = (folder / "tokenizer.md").read_text()
        assert ("rows begin at" in page) == (classifier.long_text == "windows")
        assert ("A pair is" in page) == (classifier.long_text != "windows")


def test_onnxruntime_answers_what_the_model_answers(classifier, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (the extra onnx)")
    path = export_onnx(classifier, str(tmp_path))
    session = onnxruntime.InferenceSession(f"{path}/classify_ids.onnx")
    for texts in (TEXTS, TEXTS[:2]):
        rows, batch = rows_of(classifier, texts)
        probabilities, logits = session.run(["probabilities", "logits"], batch)
        expected = np.stack(classifier.logits(rows))
        np.testing.assert_allclose(logits, expected, atol=1e-4)
        np.testing.assert_allclose(probabilities, classifier.predictions(expected).probabilities, atol=1e-4)
    assert "text-classification" in (tmp_path / "onnx" / "1" / "README.md").read_text()
