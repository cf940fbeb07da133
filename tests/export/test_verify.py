"""The table that holds each artefact against the model: it sees what is right and what is wrong."""

import json
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.errors import InputError, RunError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.fill_mask_question import masked_texts
from keras_mlm.export.onnx import export_onnx
from keras_mlm.export.saved_model import export_saved_model
from keras_mlm.export.tflite import export_tflite
from keras_mlm.export.verify import verify_export as verify
from keras_mlm.model_folder import load_model, save_model

verify_export = runpy.run_path(str(Path(__file__).parents[2] / "recipes" / "verify_export.py"))["verify_export"]
LENGTH = 16
CLASSES = ["sport", "politics", "中国", "a class"]
NUMBERS = range(10, 60)


def sentence(number: int) -> str:
    """Its middle follows from the words around it, so that a trained model knows it."""
    return f"the filler{number} of filler{2000 + number} is filler{1000 + number} ."


def test_one_whole_word_of_a_text_is_masked(make_model):
    tokenizer = make_model(num_layers=1).tokenizer
    masked, answers = masked_texts(tokenizer, ["The capital of France .", "...", "zzz", "", "中国", "paris" + "s"])
    assert masked == ["The capital [MASK] France .", "[MASK]国"]
    assert answers == [tokenizer.token_to_id("of"), tokenizer.token_to_id("中")]


def test_nothing_to_verify_is_named(make_model, tmp_path):
    model = make_model(num_layers=1)
    with pytest.raises(InputError, match=r"no export.*export\.py"):
        verify(str(tmp_path), model, ["the capital of france"])
    with pytest.raises(InputError, match="could be masked"):
        verify(str(tmp_path), model, ["zzz"])
    with pytest.raises(InputError, match="BertPretrainer has no classes"):
        verify(str(tmp_path), model, ["paris"], ["sport"])
    with pytest.raises(InputError, match="either --labelled or --text"):
        verify_export(str(tmp_path), labelled="dev.tsv", text=["text.txt"])


@pytest.mark.slow
class TestTrainedModel:
    """A model that has learned its sentences, exported in every format."""

    @pytest.fixture(scope="class")
    def folder(self, make_model, tmp_path_factory):
        for package in ("ai_edge_litert", "tf2onnx", "onnxruntime"):
            pytest.importorskip(package, reason=f"{package} is not installed (the extras tflite and onnx)")
        model = make_model(num_layers=1, next_sentence=False, initializer_range=0.05, dropout=0.0)
        texts, answers = masked_texts(model.tokenizer, [sentence(number) for number in NUMBERS])
        rows = model.tokenizer.tokenize(texts, mask_tokens=True).to_list()
        ids = np.array([[2, *row, 3] for row in rows], "int32")
        x = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": ids > 0,
             "mask_positions": np.argmax(ids == 4, axis=1).astype("int32")[:, None]}  # fmt: skip
        y, weight = {"masked_lm": np.array(answers, "int32")[:, None]}, {"masked_lm": np.ones((len(ids), 1), "float32")}
        model.compile(keras.optimizers.AdamW(0.01))
        history = model.fit(tf.data.Dataset.from_tensors((x, y, weight)).repeat(), steps_per_epoch=120, verbose=0)
        assert history.history["masked_lm_accuracy"][-1] > 0.5
        folder = tmp_path_factory.mktemp("toy")
        save_model(model, str(folder))
        for write in (export_saved_model, export_tflite, export_onnx):
            write(model, str(folder), ExportOptions(LENGTH))
        return folder

    @pytest.fixture
    def text(self, tmp_path):
        (tmp_path / "text.txt").write_text("\n".join(sentence(number) for number in NUMBERS))
        return str(tmp_path / "text.txt")

    def test_every_artefact_answers_as_the_model_does(self, folder, text, tmp_path, capsys):
        rows = verify_export(str(folder), text=[text], seconds=0.01, json=str(tmp_path / "rows.json"))
        assert json.loads((tmp_path / "rows.json").read_text()) == rows
        tolerances = {"float16": 1e-2, "int8": 0.1}
        assert [row["name"] for row in rows][:2] == ["Keras model", "SavedModel, text in"]
        assert len(rows) == 9
        for row in rows:
            tolerance = next((value for word, value in tolerances.items() if word in row["name"]), 1e-4)
            assert row["difference"] <= tolerance, row
            assert row["same_first"] >= 0.95 and abs(row["right"] - rows[0]["right"]) <= 0.01 + 1e-9, row
            assert row["right"] > 0.9 and row["truncated"] == 0
            assert row["milliseconds"] > 0 and row["texts_per_second"] > 0
        assert rows[1]["difference"] <= 1e-5
        assert "TFLite dynamic_int8, text in" in capsys.readouterr().out

    def test_an_export_of_other_weights_is_found_out(self, folder, text, tmp_path):
        model = load_model(str(folder))
        model.set_weights([weight + 0.05 for weight in model.get_weights()])
        save_model(model, str(tmp_path / "other"))
        with pytest.raises(RunError, match="SavedModel, text in"):
            verify_export(str(folder), model=str(tmp_path / "other"), text=[text], seconds=0.01)


@pytest.mark.slow
class TestClassifier:
    """A classifier that has learned its examples, exported in every format."""

    @pytest.fixture(scope="class", params=["truncate"])
    def folder(self, request, make_classifier, tmp_path_factory):
        for package in ("ai_edge_litert", "tf2onnx", "onnxruntime"):
            pytest.importorskip(package, reason=f"{package} is not installed (the extras tflite and onnx)")
        head = {"long_text": request.param, "temperature": 1.3}
        model = make_classifier(head=head, initializer_range=0.05, dropout=0.0)
        texts, labels = zip(*(example(number) for number in range(200)), strict=True)
        model.compile(keras.optimizers.AdamW(0.01))
        batches = labelled_batches(model.encode(texts), model.class_numbers(labels))
        model.fit(batches, epochs=8, shuffle=False, verbose=0)
        folder = tmp_path_factory.mktemp("topics")
        save_model(model, str(folder))
        for write in (export_saved_model, export_tflite, export_onnx):
            write(model, str(folder))
        return folder

    def test_every_artefact_classifies_as_the_model_does(self, folder, tmp_path, capsys):
        lines = [f"{label}\t{text}" for text, label in map(example, range(1000, 1300))]
        (tmp_path / "dev.tsv").write_text("\n".join(lines))
        rows = verify_export(str(folder), labelled=str(tmp_path / "dev.tsv"), seconds=0.01)
        assert len(rows) == 9
        for row in rows:
            tolerance = next(
                (value for word, value in {"float16": 1e-2, "int8": 0.3}.items() if word in row["name"]), 1e-4
            )
            assert row["difference"] <= tolerance, row
            assert abs(row["right"] - rows[0]["right"]) <= 0.01 + 1e-9, row
            assert row["right"] > 0.8, "a model that learned nothing proves nothing"
            assert (row["truncated"] > 0.1) == (load_model(str(folder)).long_text == "truncate")
        assert rows[1]["difference"] <= 1e-5
        assert "ONNX, ids in" in capsys.readouterr().out

    def test_sentences_without_labels_and_labels_that_it_does_not_have(self, folder, tmp_path):
        rows = verify_export(str(folder), lines=20, seconds=0.01)
        assert {row["right"] for row in rows} == {None} and rows[1]["same_first"] == 1.0
        (tmp_path / "dev.tsv").write_text("weather\tparis is the capital")
        with pytest.raises(InputError, match="does not have: weather"):
            verify_export(str(folder), labelled=str(tmp_path / "dev.tsv"))


def example(number: int) -> tuple[str, str]:
    """A text and its class, which one of its first words tells; every third is longer than a row."""
    rng = np.random.default_rng(number)
    kind = int(rng.integers(4))
    words = [f"filler{word}" for word in rng.integers(0, 300, 20 if number % 3 == 0 else 6)]
    words[int(rng.integers(5))] = ("paris", "france", "中", "capital")[kind]
    return " ".join(words), CLASSES[kind]


@pytest.mark.slow
def test_a_tagger_is_verified_on_labelled_words_and_on_text(make_tagger, tmp_path):
    for package in ("ai_edge_litert", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (the extras tflite and onnx)")
    tags = ["ADJ", "NOUN", "VERB"]
    model = make_tagger(classes=tags, initializer_range=0.05, dropout=0.0, **{"norm": "pre", "position": "rotary"})
    sentences = [[f"filler{word}" for word in np.random.default_rng(n).integers(0, 60, 9)] for n in range(300)]
    labels = [[tags[int(word.removeprefix("filler")) % 3] for word in words] for words in sentences]
    windows = model.encode_words(sentences)
    numbers = model.class_numbers([tag for of_words in labels for tag in of_words])
    model.compile(keras.optimizers.AdamW(0.01))
    model.fit(labelled_batches(windows.rows, windows.labels(numbers)), epochs=6, shuffle=False, verbose=0)
    save_model(model, str(tmp_path))
    for write in (export_saved_model, export_tflite, export_onnx):
        write(model, str(tmp_path))
    lines = [
        "\n".join(f"{word}\t{tag}" for word, tag in zip(*pair, strict=True))
        for pair in zip(sentences, labels, strict=True)
    ]
    (tmp_path / "dev.tsv").write_text("\n\n".join(lines[:100]))
    for options in ({"labelled": str(tmp_path / "dev.tsv")}, {"lines": 40}):
        rows = verify_export(str(tmp_path), seconds=0.01, **options)
        assert len(rows) == 9
        for row in rows:
            tolerance = next(
                (value for word, value in {"float16": 1e-2, "int8": 0.3}.items() if word in row["name"]), 1e-4
            )
            assert row["difference"] <= tolerance, row
            if "labelled" in options:
                assert row["right"] > 0.9 and abs(row["right"] - rows[0]["right"]) <= 0.01 + 1e-9, row
            if "text in" not in row["name"]:
                assert row["truncated"] == 0
