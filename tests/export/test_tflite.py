"""TFLite files answer what the model answers, from ids and from text, in every precision and shape."""

import itertools
import json
import lzma

import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.pretrainer_on_device import PretrainerOnDevice
from keras_mlm.export.signature import Signature
from keras_mlm.export.tflite import TEXT_OPERATIONS, export_tflite
from keras_mlm.export.tflite_file import PRECISIONS, convert
from keras_mlm.export.tokenizer_strings import tokenizer_strings

LENGTH, TOP_K, SLOTS = 16, 4, 3
OPTIONS = ExportOptions(LENGTH, TOP_K, SLOTS)
TEXTS = ["Paris is the [MASK] of France .", "[MASK] 中 [MASK]", "", "the capital " * 40, "plain Ünknown"]


@pytest.mark.slow
class TestFiles:
    """The files of one small model of each tokenizer."""

    @pytest.fixture(scope="class", params=["fast", "bert"])
    def exported(self, request, make_model, tmp_path_factory):
        pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed (the extra tflite)")
        style = {"norm": "pre", "position": "rotary"} if request.param == "fast" else {}
        model = make_model(request.param, num_layers=1, **style)
        folder = tmp_path_factory.mktemp("news")
        path = export_tflite(model, str(folder), OPTIONS)
        assert path == str(folder / "tflite" / "1")
        return model, folder / "tflite" / "1"

    def runner(self, path, name):
        from ai_edge_litert.interpreter import Interpreter, InterpreterWithCustomOps
        from tensorflow_text import tflite_registrar

        if path.name.startswith("ids"):
            return Interpreter(str(path)).get_signature_runner(name)
        operations = tflite_registrar.SELECT_TFTEXT_OPS
        return InterpreterWithCustomOps(model_path=str(path), custom_op_registerers=operations).get_signature_runner(
            name
        )

    def device(self, model):
        return PretrainerOnDevice(model, OPTIONS)

    def close(self, precision, found, expected):
        """The scores and vectors, to what the precision can hold."""
        assert set(found) == set(expected)
        tolerance = {"float32": 1e-4, "float16": 1e-2, "dynamic_int8": 0.1}[precision]
        for name, value in expected.items():
            assert found[name].shape == value.shape
            if name in ("scores", "mean_pooled", "cls"):
                np.testing.assert_allclose(found[name], value, atol=tolerance)
            elif name != "candidate_ids" and value.dtype.kind != "f":
                np.testing.assert_array_equal(found[name], value)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_ids_in(self, exported, precision):
        model, folder = exported
        ids = np.array([[2, 5, 4, 7, 3, *[0] * 11], [2, 4, 3, *[0] * 13], [2, *[8] * 13, 4, 3]], "int32")
        rows = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": (ids > 0).astype("int32")}
        path = folder / f"ids_{precision}.tflite"
        for signature in self.device(model).ids():
            runner = self.runner(path, signature.name)
            batches = [{name: values[row : row + 1] for name, values in rows.items()} for row in range(3)]
            if signature.name.endswith("_dynamic"):
                batches = [rows, {name: values[:2, :9] for name, values in rows.items()}]
            for batch in batches:
                expected = {name: value.numpy() for name, value in signature.function(**batch).items()}
                found = runner(**batch)
                self.close(precision, found, expected)
                if precision == "float32" and "positions" in expected:
                    used = expected["positions"] >= 0
                    np.testing.assert_array_equal(found["candidate_ids"][used], expected["candidate_ids"][used])

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_text_in(self, exported, precision):
        model, folder = exported
        path = folder / f"text_{precision}.tflite"
        if model.tokenizer.normalization == "bert":
            assert not path.exists()
            return
        answers = model.fill_mask(TEXTS[:2], top_k=TOP_K)
        for signature in self.device(model).text():
            runner = self.runner(path, signature.name)
            for row, text in enumerate(TEXTS):
                parts = np.array(text.split("[MASK]"))
                expected = {name: value.numpy() for name, value in signature.function(tf.constant(parts)).items()}
                found = runner(text=parts)
                self.close(precision, found, expected)
                if precision == "float32" and signature.name.startswith("fill_mask") and row < 2:
                    for slot, candidates in enumerate(answers[row]):
                        tokens = [model.tokenizer.id_to_token(i) for i in found["candidate_ids"][0, slot]]
                        assert tokens == [candidate.token for candidate in candidates]

    def check_tokens(self, exported, texts):
        model, folder = exported
        runner = self.runner(folder / "text_float32.tflite", "tokenize")
        rows = model.tokenizer.tokenize(texts, mask_tokens=True).to_list()
        for text, row in zip(texts, rows, strict=True):
            found = runner(text=np.array(text.split("[MASK]")))
            kept = [2, *row[: LENGTH - 2], 3]
            assert found["token_ids"][0].tolist() == kept + [0] * (LENGTH - len(kept)), text
            assert found["token_count"] == len(row)
            assert found["unknown_count"] == row.count(1)

    def test_odd_texts_have_the_tokenizers_tokens_or_are_refused_with_the_reason(self, exported):
        if exported[0].tokenizer.normalization == "fast":
            self.check_tokens(exported, tokenizer_strings())
        else:
            with pytest.raises(InputError, match=r"regular expressions.*SavedModel takes text"):
                self.device(exported[0]).text()

    def test_real_text_of_both_languages_has_the_tokenizers_tokens(self, exported, shared_data):
        if exported[0].tokenizer.normalization == "fast":
            for language in ("en", "zh"):
                with lzma.open(next((shared_data / "tiny").glob(f"{language}_*")), "rt", encoding="utf-8") as file:
                    self.check_tokens(exported, [line.strip() for line in itertools.islice(file, 1500)])

    def test_what_lies_beside_the_files_describes_them(self, exported):
        model, folder = exported
        metadata = json.loads((folder / "metadata.json").read_text())
        kinds = ["ids", "text"] if model.tokenizer.normalization == "fast" else ["ids"]
        assert set(metadata["files"]) == {f"{kind}_{precision}.tflite" for kind in kinds for precision in PRECISIONS}
        for name, entry in metadata["files"].items():
            assert entry["bytes"] == (folder / name).stat().st_size
            assert entry["custom_operations"] == (list(TEXT_OPERATIONS) if name.startswith("text") else [])
            assert "FULLY_CONNECTED" in entry["operations"] and not [op for op in entry["operations"] if "Flex" in op]
            assert entry["minimum_runtime"][0].isdigit()
            for signature, described in entry["signatures"].items():
                details = self.runner(folder / name, signature)
                assert set(details.get_input_details()) == set(described["inputs"])
                assert set(details.get_output_details()) == set(described["outputs"])
        weights = 4 * model.count_params()
        sizes = {name: entry["bytes"] for name, entry in metadata["files"].items()}
        assert sizes["ids_float32.tflite"] < weights + 250_000, "the signatures of a file share its weights"
        assert sizes["ids_float16.tflite"] < sizes["ids_float32.tflite"] - weights / 3
        assert (folder / "vocab.txt").read_text().split("\n")[:-1] == model.tokenizer.vocabulary
        card = (folder / "README.md").read_text()
        assert all(f"### `{name}`" in card for entry in metadata["files"].values() for name in entry["signatures"])


@pytest.mark.slow
def test_what_tflite_lacks_is_named_with_its_layer():
    def function(a):
        with tf.name_scope("strange_layer"):
            return {"b": tf.math.betainc(a, a, a)}

    signature = Signature("odd", function, (tf.TensorSpec([None], tf.float32, name="a"),), "", {}, {})
    with pytest.raises(RunError, match=r"Betainc \(at strange_layer/.*SavedModel"):
        convert([signature])
