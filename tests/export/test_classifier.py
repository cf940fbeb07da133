"""What a served classifier answers is what the model answers, whatever the text and the rule for long ones."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.errors import InputError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model

LENGTH, HIDDEN, COUNT = 16, 32, 4
TEXTS = ["Paris is the capital of France .", "", "中 国", "the the unknownword paris", "paris " * 14, "of " * 15,
         "paris is the capital of france . " * 7, "[MASK]", "中国" * 200]  # fmt: skip
PAIRS = [("paris is", "the capital"), ("中", ""), ("", "france"), ("", ""), ("paris " * 30, "of " * 3),
         ("paris", "of france . " * 9), ("the capital " * 20, "of france . " * 20)]  # fmt: skip
COUNTS = {"token_count": [None], "truncated": [None], "unknown_count": [None]}
TEXT = {"text": (tf.string, [None])}
PAIR = {"text_a": (tf.string, [None]), "text_b": (tf.string, [None])}
IDS = {name: (tf.int32, [None, LENGTH]) for name in ("token_ids", "segment_ids", "padding_mask")}
VECTORS = {"mean_pooled": [None, HIDDEN], "cls": [None, HIDDEN]}


def expected_signatures(model):
    """The contract with clients: a change of a name here breaks what somebody runs."""
    label = {"labels": [None, COUNT]} if model.multi_label else {"label": [None]}
    told = {**label, "probabilities": [None, COUNT], "classes": [None, COUNT]}
    found = {
        "serving_default": (TEXT, {**told, **COUNTS}),
        "classify": (TEXT, {**told, **COUNTS}),
        "classify_pair": (PAIR, {**told, **COUNTS}),
        "classify_ids": (IDS, {**told, "logits": [None, COUNT]}),
        "embed": (TEXT, {**VECTORS, **COUNTS}),
        "embed_ids": (IDS, {"sequence_output": [None, LENGTH, HIDDEN], **VECTORS}),
        "tokenize": (TEXT, {name: [None, LENGTH] for name in ("token_ids", "tokens", "starts", "ends")} | COUNTS),
    }
    if model.long_text == "windows":
        del found["classify_pair"]
    return found


def check(model, outputs, texts):
    expected = model.predict_texts(texts)
    np.testing.assert_allclose(outputs["probabilities"], expected.probabilities, atol=1e-5)
    assert [[name.decode() for name in row] for row in outputs["classes"]] == [model.classes] * len(texts)
    if model.multi_label:
        names = [[name.decode() for name in row if name] for row in outputs["labels"]]
        assert names == expected.labels
        assert all(row[len(found) :].tolist() == [b""] * (COUNT - len(found))
                   for row, found in zip(outputs["labels"], names, strict=True))  # fmt: skip
    else:
        assert [name.decode() for name in outputs["label"]] == expected.labels


def packed(model, texts):
    rows = model.encode(texts)
    batch = {name: np.zeros((len(rows), LENGTH), "int32") for name in IDS}
    for index, row in enumerate(rows):
        used = slice(0, len(row["token_ids"]))
        batch["token_ids"][index, used], batch["segment_ids"][index, used] = row["token_ids"], row["segment_ids"]
        batch["padding_mask"][index, used] = 1
    return rows, batch


def test_names_types_and_widths_of_every_signature(classifier, served_classifier):
    found = {}
    for name, signature in served_classifier.signatures.items():
        inputs = {
            key: (spec.dtype, spec.shape.as_list()) for key, spec in signature.structured_input_signature[1].items()
        }
        found[name] = (inputs, {key: spec.shape.as_list() for key, spec in signature.structured_outputs.items()})
    assert found == expected_signatures(classifier)


def test_classify_answers_what_the_model_answers(classifier, served_classifier):
    outputs = served_classifier("classify", text=TEXTS)
    check(classifier, outputs, TEXTS)
    tokens = classifier.tokenizer.tokenize(TEXTS).to_list()
    assert outputs["token_count"].tolist() == [len(row) for row in tokens]
    assert outputs["unknown_count"].tolist() == [row.count(1) for row in tokens]
    longer = [len(row) > LENGTH - 2 and classifier.long_text != "windows" for row in tokens]
    assert outputs["truncated"].tolist() == longer
    for name, values in served_classifier("serving_default", text=TEXTS).items():
        np.testing.assert_array_equal(values, outputs[name])


def test_what_stands_behind_the_cut_counts_by_the_rule(classifier, served_classifier):
    start, end = "paris " * 40, "中 " * 40
    one, other = served_classifier("classify", text=[start, start + end])["probabilities"]
    counts = np.abs(one - other).max() > 1e-3
    assert counts == (classifier.long_text != "truncate")
    # Only windows read the middle.
    one, other = served_classifier("classify", text=[start + end, start + "france " * 40 + end])["probabilities"]
    assert (np.abs(one - other).max() > 1e-3) == (classifier.long_text == "windows")


def test_pairs_answer_what_the_model_answers(classifier, served_classifier):
    if classifier.long_text == "windows":
        assert "classify_pair" not in served_classifier.signatures
        return
    outputs = served_classifier("classify_pair", text_a=[a for a, _ in PAIRS], text_b=[b for _, b in PAIRS])
    check(classifier, outputs, PAIRS)
    counts = [sum(len(row) for row in classifier.tokenizer.tokenize(list(pair)).to_list()) for pair in PAIRS]
    assert outputs["token_count"].tolist() == counts
    assert outputs["truncated"].tolist() == [count > LENGTH - 3 for count in counts]


def test_ids_answer_what_the_model_answers(classifier, served_classifier):
    rows, batch = packed(classifier, TEXTS)
    outputs = served_classifier("classify_ids", **batch)
    logits = np.stack(classifier.logits(rows))
    np.testing.assert_allclose(outputs["logits"], logits, rtol=1e-5, atol=1e-5)
    probabilities = classifier.predictions(logits).probabilities
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=1e-5)
    vectors = served_classifier("embed_ids", **batch)
    mask = batch["padding_mask"] > 0
    hidden = np.asarray(classifier.backbone({**batch, "padding_mask": mask})["sequence_output"])
    np.testing.assert_allclose(vectors["sequence_output"], hidden * mask[:, :, None], rtol=1e-5, atol=1e-5)


def test_tokenize_and_embed_see_the_row_that_the_model_sees(classifier, served_classifier):
    texts = TEXTS[:-1]
    rows, batch = packed(classifier, texts)
    first = [next(i for i, row in enumerate(rows) if row["text_index"] == text) for text in range(len(texts))]
    tokens = served_classifier("tokenize", text=texts)
    np.testing.assert_array_equal(tokens["token_ids"], batch["token_ids"][first])
    for row, text in enumerate(texts):
        for start, end, token in zip(tokens["starts"][row], tokens["ends"][row], tokens["tokens"][row], strict=True):
            if start >= 0 and token != b"[UNK]":
                assert text[start:end].lower() == token.decode().removeprefix("##")
    vectors = served_classifier("embed", text=texts)
    of_ids = served_classifier("embed_ids", **{name: values[first] for name, values in batch.items()})
    for name in ("mean_pooled", "cls"):
        np.testing.assert_allclose(vectors[name], of_ids[name], atol=1e-5)


def test_strange_texts_get_an_answer(served_classifier):
    texts = [b"", b"\xff\xfe \xc3", b"zzz " * 25_000, b"\x00", b"paris " * 3000]
    outputs = served_classifier("classify", text=texts)
    assert np.isfinite(outputs["probabilities"]).all()
    assert outputs["unknown_count"][2] == 25_000


@given(st.lists(st.text("paris of中国france .s\ud7ff\u0301", max_size=150), min_size=1, max_size=12))
@settings(max_examples=10)
def test_any_texts_together(classifier, served_classifier, texts):
    check(classifier, served_classifier("classify", text=texts), texts)


@given(st.lists(st.tuples(*[st.text("paris of中国 .", max_size=90)] * 2), min_size=1, max_size=10))
@settings(max_examples=6)
def test_any_pairs_together(classifier, served_classifier, pairs):
    if classifier.long_text != "windows":
        outputs = served_classifier("classify_pair", text_a=[a for a, _ in pairs], text_b=[b for _, b in pairs])
        check(classifier, outputs, pairs)


def test_a_batch_of_nothing_has_its_widths(classifier, served_classifier):
    for name, (inputs, outputs) in expected_signatures(classifier).items():
        nothing = {key: tf.zeros([0, *shape[1:]], dtype) for key, (dtype, shape) in inputs.items()}
        answer = {key: list(value.shape) for key, value in served_classifier(name, **nothing).items()}
        assert answer == {key: [0, *shape[1:]] for key, shape in outputs.items()}


def test_weights_are_written_once_and_the_card_tells_the_task(classifier, exported_classifier):
    weights = sum(path.stat().st_size for path in exported_classifier.glob("variables/variables.data*"))
    assert weights <= 1.05 * 4 * classifier.count_params()
    assert (exported_classifier / "saved_model.pb").read_bytes().count(b"filler2999") == 1
    card = (exported_classifier / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card and "`中国`" in card and "### `classify_ids`" in card
    assert '"instances": [{"text": "The museum is open."}]' in card
    assert ("(temperature" in card) == (classifier.temperature != 1.0)


def test_the_length_is_that_of_the_fine_tuning_unless_another_is_asked_for(make_classifier, tmp_path):
    model = make_classifier()
    with pytest.raises(InputError, match="between 8 and the model's 32 positions, not 33"):
        export_saved_model(model, str(tmp_path), ExportOptions(length=33))
    path = export_saved_model(model, str(tmp_path), ExportOptions(length=8))
    outputs = tf.saved_model.load(path).signatures["classify"](text=tf.constant(TEXTS))
    assert model.length == LENGTH, "the model that is exported stays as it is"
    model.length = 8
    np.testing.assert_allclose(outputs["probabilities"], model.predict_texts(TEXTS).probabilities, atol=1e-5)
