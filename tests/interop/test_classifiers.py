"""Classifiers of transformers in and out: head, names of classes, length."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from checkpoints import (
    CONFIG,
    VOCABULARY,
    arrays_equal,
    edit,
    numpy_bert,
    random_tensors,
    rows,
    write_folder,
    write_h5,
)
from safetensors.numpy import load_file

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.continued_pretraining import continued_model
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.interop.keras_hub import to_keras_hub
from keras_mlm.model_folder import load_model, save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

CLASSES = ["sport", "政治", "a b"]
LABELS = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: number for number, name in enumerate(CLASSES)}}
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8}
KINDS = {"BertForSequenceClassification": ("encoder", "pooler"), "BertForTokenClassification": ("encoder",)}
OURS = {"BertForSequenceClassification": BertTextClassifier, "BertForTokenClassification": BertTokenClassifier}


def classifier_tensors(architecture: str, classes: int = 3) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(9)
    head = {"classifier.weight": (classes, 8), "classifier.bias": (classes,)}
    return random_tensors(CONFIG, KINDS[architecture]) | {
        name: generator.normal(0, 0.4, shape).astype("float32") for name, shape in head.items()
    }


def logits_of(tensors: dict[str, np.ndarray], batch: dict[str, np.ndarray]) -> np.ndarray:
    """What the paper says: one dense layer upon the pooled output or upon every position."""
    found = numpy_bert(tensors, batch)
    hidden = found.get("pooled_output", found["sequence_output"])
    return hidden @ tensors["classifier.weight"].T + tensors["classifier.bias"]


def assert_same_logits(model, expected, batch, tolerance=1e-5):
    here = np.asarray(model(batch, training=False))
    if here.ndim == 3:
        here, expected = here[batch["padding_mask"]], expected[batch["padding_mask"]]
    np.testing.assert_allclose(here, expected, rtol=0, atol=tolerance)


@pytest.fixture(params=KINDS)
def folder_and_tensors(request, tmp_path):
    tensors = classifier_tensors(request.param)
    return write_folder(tmp_path / "classifier", tensors, architecture=request.param, **LABELS), tensors


@pytest.fixture
def sequence_folder(tmp_path):
    architecture = "BertForSequenceClassification"
    return write_folder(tmp_path / "seq", classifier_tensors(architecture), architecture=architecture, **LABELS)


# === In ===


def declared(folder: str) -> str:
    return json.loads(Path(folder, "config.json").read_text())["architectures"][0]


def test_a_classifier_computes_what_the_paper_says(folder_and_tensors):
    folder, tensors = folder_and_tensors
    model, batch = load_hugging_face(folder), rows()
    assert type(model) is OURS[declared(folder)]
    assert model.classes == CLASSES
    assert_same_logits(model, logits_of(tensors, batch), batch)


@pytest.mark.parametrize(("stated", "length"), [(12, 12), (512, 16), (10**30, 16), (None, 16), (2, 16), (1e30, 16)])
def test_the_longest_row_is_what_the_tokenizer_states(sequence_folder, stated, length):
    edit(sequence_folder, "tokenizer_config.json", model_max_length=stated)
    assert load_hugging_face(sequence_folder).length == length


def test_a_multi_label_classifier_is_one(sequence_folder):
    assert load_hugging_face(sequence_folder).multi_label is False
    edit(sequence_folder, "config.json", problem_type="multi_label_classification")
    model = load_hugging_face(sequence_folder)
    assert model.multi_label is True
    assert model.predict_texts("paris").probabilities.sum() != pytest.approx(1)


def test_the_classes_of_a_config_without_names_are_those_of_transformers(tmp_path):
    architecture = "BertForSequenceClassification"
    two = write_folder(tmp_path / "two", classifier_tensors(architecture, 2), architecture=architecture)
    assert load_hugging_face(two).classes == ["LABEL_0", "LABEL_1"]
    old = write_folder(tmp_path / "old", classifier_tensors(architecture), architecture=architecture, num_labels=3)
    assert load_hugging_face(old).classes == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_a_tensorflow_file_is_the_same_classifier(folder_and_tensors):
    folder, tensors = folder_and_tensors
    write_h5(folder, tensors)
    batch = rows()
    assert_same_logits(load_hugging_face(folder), logits_of(tensors, batch), batch)


def test_a_pooler_that_a_token_classifier_does_not_use_is_left_out(tmp_path, caplog):
    tensors = classifier_tensors("BertForTokenClassification")
    pooler = random_tensors(CONFIG, KINDS["BertForSequenceClassification"])
    folder = write_folder(tmp_path / "old", pooler | tensors, architecture="BertForTokenClassification", **LABELS)
    with caplog.at_level(logging.WARNING):
        model = load_hugging_face(folder)
    assert "has a pooler, which a BertForTokenClassification does not use: left out" in caplog.text
    batch = rows()
    assert_same_logits(model, logits_of(tensors, batch), batch)


def test_the_tags_of_spans_are_decoded_as_ours(tmp_path):
    labels = {"id2label": {"0": "O", "1": "B-PER", "2": "I-PER"}}
    architecture = "BertForTokenClassification"
    folder = write_folder(tmp_path / "ner", classifier_tensors(architecture), architecture=architecture, **labels)
    model = load_hugging_face(folder)
    assert model.scheme == "BIO"
    (tags,) = model.predict_words([["paris", "is", "the"]]).tags
    assert len(tags) == 3 and tags[0] != "I-PER"


# === Out ===


def test_out_and_back_is_bit_identical(folder_and_tensors, tmp_path):
    folder, tensors = folder_and_tensors
    edit(folder, "tokenizer_config.json", model_max_length=12)
    model = load_hugging_face(folder)
    save_hugging_face(model, str(tmp_path / "again"))
    arrays_equal(load_file(tmp_path / "again/model.safetensors"), tensors)
    config = json.loads((tmp_path / "again/config.json").read_text())
    assert config["id2label"] == {"0": "sport", "1": "政治", "2": "a b"}
    assert config["label2id"] == {"sport": 0, "政治": 1, "a b": 2}
    assert "sport" in (tmp_path / "again/README.md").read_text()
    again = load_hugging_face(str(tmp_path / "again"))
    assert again.get_config() == model.get_config()
    for here, there in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_model_folder_goes_out_and_comes_back(folder_and_tensors, tmp_path):
    model = load_hugging_face(folder_and_tensors[0])
    save_model(model, str(tmp_path / "ours"))
    save_hugging_face(load_model(str(tmp_path / "ours")), str(tmp_path / "theirs"))
    batch = rows()
    again = load_hugging_face(str(tmp_path / "theirs"))
    np.testing.assert_array_equal(again(batch, training=False), model(batch, training=False))


@pytest.mark.parametrize("multi_label", [True, False])
def test_probabilities_with_a_temperature_are_the_same_there(sequence_folder, tmp_path, multi_label):
    start = load_hugging_face(sequence_folder)
    head = {**start.head_config(), "multi_label": multi_label, "temperature": 1.7}
    model = BertTextClassifier(start.config, tokenizer=start.tokenizer, **head)
    model.set_weights(start.get_weights())
    save_hugging_face(model, str(tmp_path / "out"))
    again = load_hugging_face(str(tmp_path / "out"))
    assert (again.temperature, again.multi_label) == (1.0, multi_label)
    texts = ["paris is the", "a b c d e f"]
    expected = model.predict_texts(texts).probabilities
    assert np.abs(start.predict_texts(texts).probabilities - expected).max() > 1e-3
    np.testing.assert_allclose(again.predict_texts(texts).probabilities, expected, rtol=0, atol=1e-6)


def test_a_rule_for_long_texts_that_others_lack_is_said(sequence_folder, tmp_path, caplog):
    start = load_hugging_face(sequence_folder)
    model = BertTextClassifier(start.config, CLASSES, start.tokenizer, long_text="windows", pooling="cls")
    with caplog.at_level(logging.WARNING):
        save_hugging_face(model, str(tmp_path / "out"))
    assert "takes the windows" in caplog.text


def test_the_encoder_alone_is_written_when_asked_for(sequence_folder, tmp_path):
    model = load_hugging_face(sequence_folder)
    save_hugging_face(model, str(tmp_path / "encoder"), architecture="BertModel")
    names = set(load_file(tmp_path / "encoder/model.safetensors"))
    assert "pooler.dense.weight" in names and "classifier.weight" not in names
    assert "id2label" not in json.loads((tmp_path / "encoder/config.json").read_text())


def test_a_pooling_that_others_lack_is_refused(sequence_folder, tmp_path):
    start = load_hugging_face(sequence_folder)
    model = BertTextClassifier(start.config, CLASSES, start.tokenizer, pooling="cls_mean_max")
    with pytest.raises(InputError, match="--pooling cls"):
        save_hugging_face(model, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    save_hugging_face(model, str(tmp_path / "out"), architecture="BertModel")


def test_a_class_that_the_model_is_not_is_refused(sequence_folder, pretraining_folder, tmp_path):
    with pytest.raises(InputError, match="BertTextClassifier can be written as BertForSequenceClassification or BertM"):
        save_hugging_face(load_hugging_face(sequence_folder), str(tmp_path / "o"), architecture="BertForMaskedLM")
    with pytest.raises(InputError, match="not as 'BertForSequenceClassification'"):
        save_hugging_face(
            load_hugging_face(pretraining_folder[0]), str(tmp_path / "o"), architecture="BertForSequenceClassification"
        )
    config = BertConfig(vocabulary_size=len(VOCABULARY), **SIZES, next_sentence=False)
    without = BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY))
    with pytest.raises(InputError, match="can be written as BertForMaskedLM or BertModel, not as 'BertForPreTraining'"):
        save_hugging_face(without, str(tmp_path / "o"), architecture="BertForPreTraining")
    assert not (tmp_path / "o").exists()


def test_a_pooling_that_others_do_not_have_is_refused(sequence_folder, tmp_path):
    start = load_hugging_face(sequence_folder)
    assert start.pooling == "cls"
    model = BertTextClassifier(start.config, CLASSES, start.tokenizer, pooling="cls_mean_max")
    with pytest.raises(InputError, match=r"pooling cls_mean_max is none that others know.*--pooling cls"):
        save_hugging_face(model, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    save_hugging_face(model, str(tmp_path / "encoder"), architecture="BertModel")
    assert "classifier.weight" not in load_file(tmp_path / "encoder/model.safetensors")


@pytest.mark.parametrize("style", ["short_budget", "modern"])
@pytest.mark.parametrize("kind", OURS.values())
def test_a_style_that_others_do_not_have_is_refused(tmp_path, style, kind):
    config = BertConfig.from_preset("tiny", style=style, vocabulary_size=len(VOCABULARY), max_sequence_length=16)
    model = kind(config, CLASSES, WordPieceTokenizer(VOCABULARY))
    with pytest.raises(InputError, match=r"norm pre, position rotary.* no BERT that others know.*--style classic"):
        save_hugging_face(model, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_keras_hub_gets_the_encoder(folder_and_tensors):
    model, batch = load_hugging_face(folder_and_tensors[0]), rows()
    backbone = to_keras_hub(model)
    there = backbone({name: batch[name].astype("int32") for name in ("token_ids", "segment_ids", "padding_mask")})
    here = model.backbone(batch, training=False)
    inside = batch["padding_mask"]
    np.testing.assert_allclose(
        np.asarray(here["sequence_output"])[inside], np.asarray(there["sequence_output"])[inside], rtol=0, atol=1e-5
    )


# === Pre-training goes on from a classifier ===


def test_the_encoder_of_a_classifier_goes_on_with_new_heads(folder_and_tensors, tmp_path, caplog):
    folder, tensors = folder_and_tensors
    save_model(load_hugging_face(folder), str(tmp_path / "ours"))
    for name in (f"hf:{folder}", str(tmp_path / "ours")):
        with caplog.at_level(logging.WARNING):
            model = continued_model(name, load_hugging_face(folder).tokenizer, "data")
        assert "is a classifier: its encoder goes on" in caplog.text
        batch = rows()
        expected = numpy_bert(tensors, batch)
        for output in expected:
            here, there = np.asarray(model.backbone(batch, training=False)[output]), expected[output]
            if here.ndim == 3:
                here, there = here[batch["padding_mask"]], there[batch["padding_mask"]]
            np.testing.assert_allclose(here, there, rtol=0, atol=1e-5)
        assert model.masked_lm_head is not None and model.next_sentence_head is not None


# === What does not fit ===


def test_a_missing_or_misshapen_head_is_listed(folder_and_tensors, tmp_path, caplog):
    folder, tensors = folder_and_tensors
    architecture = declared(folder)
    headless = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier")}
    other = write_folder(tmp_path / "headless", headless, architecture=architecture, **LABELS)
    with pytest.raises(InputError, match=r"missing classifier\.weight \(3, 8\), classifier\.bias \(3,\); strict"):
        load_hugging_face(other)
    with caplog.at_level(logging.WARNING):
        assert load_hugging_face(other, strict=False).classes == CLASSES
    assert "left out, as strict=False allows: missing classifier" in caplog.text
    edit(folder, "config.json", id2label={"0": "a", "1": "b"})
    with pytest.raises(InputError, match=r"classifier\.weight \(3, 8\), not \(2, 8\)"):
        load_hugging_face(folder)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"id2label": {"0": "a", "1": "a", "2": "b"}}, "a class is named twice"),
        ({"id2label": {"0": "a", "2": "b", "3": "c"}}, "one by one"),
        ({"id2label": {"x": "a", "y": "b"}}, "one by one"),
        ({"id2label": ["a", "b", "c"]}, "one by one"),
        ({"id2label": {}}, "one by one"),
        ({"id2label": {"0": "a", "1": {"file": "/etc/passwd"}, "2": "c"}}, "where the name of a class belongs"),
        ({"id2label": {"0": "a", "1": "", "2": "c"}}, "where the name of a class belongs"),
        ({"id2label": {"0": "score"}}, "one class only, as a regression"),
        ({"id2label": None, "num_labels": 10**12}, "num_labels is 1000000000000"),
        ({"id2label": None, "num_labels": "3"}, "num_labels is '3'"),
        ({"problem_type": "regression"}, "problem_type is 'regression'"),
        ({"problem_type": ["x"]}, "problem_type"),
    ],
)
def test_what_is_no_classification_gives_its_encoder_only(sequence_folder, caplog, entries, message):
    edit(sequence_folder, "config.json", **entries)
    with pytest.raises(InputError, match=rf"config\.json.*{message}.*strict=False"):
        load_hugging_face(sequence_folder)
    with caplog.at_level(logging.WARNING):
        assert isinstance(load_hugging_face(sequence_folder, strict=False), BertPretrainer)
    assert "the classifier is left out" in caplog.text


def test_a_head_of_which_there_is_none_here_gives_its_encoder(tmp_path, caplog):
    tensors = random_tensors(CONFIG, ("encoder",))
    head = {"qa_outputs.weight": np.zeros((2, 8), "float32"), "qa_outputs.bias": np.zeros(2, "float32")}
    folder = write_folder(tmp_path / "answers", tensors | head, architecture="BertForQuestionAnswering")
    with pytest.raises(InputError, match=r"unexpected qa_outputs\.bias \(2,\), qa_outputs\.weight \(2, 8\); strict"):
        load_hugging_face(folder)
    with caplog.at_level(logging.WARNING):
        assert isinstance(load_hugging_face(folder, strict=False), BertPretrainer)
    assert "left out, as strict=False allows: unexpected qa_outputs" in caplog.text
