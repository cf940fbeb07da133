"""Classifiers with the same numbers as transformers on PyTorch, in both directions."""

import numpy as np
import pytest
import tensorflow as tf
from checkpoints import rows
from peers import CONFIG, assert_same_gradients, run, theirs, torch, transformers, write

from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.model_folder import load_model, save_model

pytestmark = pytest.mark.slow

CLASSES = ["LOC", "体育", "a b", "O"]
NAMED = {
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: number for number, name in enumerate(CLASSES)},
}
AUTO = {
    "BertForSequenceClassification": "AutoModelForSequenceClassification",
    "BertForTokenClassification": "AutoModelForTokenClassification",
}


def logits_of(ours, model, batch):
    with torch.no_grad():
        there = run(model, batch).logits.numpy()
    here = np.asarray(ours(batch, training=False))
    return (here[batch["padding_mask"]], there[batch["padding_mask"]]) if here.ndim == 3 else (here, there)


@pytest.mark.parametrize("architecture", AUTO)
@pytest.mark.parametrize(
    ("size", "changes"),
    [("tiny", {}), ("wide", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "type_vocab_size": 3})],
)
def test_in_and_out_again(tmp_path, architecture, size, changes):
    model, batch = theirs(architecture, size, **changes, **NAMED), rows(CONFIG, length=37)
    ours = load_hugging_face(write(model, tmp_path / "in"))
    assert ours.classes == CLASSES
    np.testing.assert_allclose(*logits_of(ours, model, batch), rtol=0, atol=1e-5)
    # By way of a folder of ours, as a user does it.
    save_model(ours, str(tmp_path / "ours"))
    save_hugging_face(load_model(str(tmp_path / "ours")), str(tmp_path / "out"))
    again, report = getattr(transformers, AUTO[architecture]).from_pretrained(
        str(tmp_path / "out"), output_loading_info=True
    )
    assert not any(report.values()), report
    assert type(again).__name__ == architecture
    assert (again.config.id2label, again.config.label2id) == (NAMED["id2label"], NAMED["label2id"])
    np.testing.assert_allclose(*logits_of(ours, again.eval(), batch), rtol=0, atol=1e-5)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "out"))
    assert tokenizer.model_max_length == ours.length == 40


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_their_pipeline_says_what_our_classifier_says(tmp_path, problem):
    model = theirs("BertForSequenceClassification", problem_type=problem, **NAMED)
    ours = load_hugging_face(write(model, tmp_path / "in"))
    save_hugging_face(ours, str(tmp_path / "out"))
    pipe = transformers.pipeline("text-classification", str(tmp_path / "out"), top_k=None, device="cpu")
    texts = ["paris is the", "中 a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p"]
    answers = pipe(texts, truncation=True)
    for answer, probabilities in zip(answers, ours.predict_texts(texts).probabilities, strict=True):
        there = {entry["label"]: entry["score"] for entry in answer}
        np.testing.assert_allclose([there[name] for name in CLASSES], probabilities, rtol=0, atol=1e-5)


def test_their_tagger_says_what_ours_says(tmp_path):
    model = theirs("BertForTokenClassification", **NAMED)
    ours = load_hugging_face(write(model, tmp_path / "in"))
    save_hugging_face(ours, str(tmp_path / "out"))
    pipe = transformers.pipeline(
        "token-classification", str(tmp_path / "out"), aggregation_strategy="first", ignore_labels=[], device="cpu"
    )
    text = "paris is the 中 b."
    words = [(text[entry["start"] : entry["end"]], entry["entity_group"], entry["score"]) for entry in pipe(text)]
    spans = ours.predict_texts(text)[0]
    # Theirs joins neighbours of one tag where ours, whose tags are no scheme, has words.
    assert {label for _, label, _ in words} == {span.label for span in spans}
    joined = [(span.label, span.text) for span in spans]
    for word, label, _ in words:
        count = len(word.replace(".", " .").split())
        assert {tag for tag, _ in joined[:count]} == {label}
        joined = joined[count:]
    assert not joined


@pytest.mark.parametrize(
    ("architecture", "problem"),
    [
        ("BertForSequenceClassification", "single_label_classification"),
        ("BertForSequenceClassification", "multi_label_classification"),
        ("BertForTokenClassification", None),
    ],
)
def test_loss_and_gradients_of_a_training_step(tmp_path, architecture, problem):
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = theirs(architecture, problem_type=problem, **NAMED, **no_dropout).train()
    ours, batch = load_hugging_face(write(model, tmp_path / "in")), rows(CONFIG, length=37)
    generator = np.random.default_rng(3)
    if problem == "multi_label_classification":
        labels = generator.integers(0, 2, (4, len(CLASSES))).astype("float32")
        given = torch.tensor(labels)
    else:
        labels = generator.integers(0, len(CLASSES), 4 if problem else batch["token_ids"].shape).astype("int32")
        if not problem:
            labels = np.where(batch["padding_mask"] & (labels % 2 == 0), labels, -100)
        given = torch.tensor(labels, dtype=torch.long)
    loss = run(model, batch, labels=given).loss
    loss.backward()
    with tf.GradientTape() as tape:
        own = ours.compute_loss(batch, labels, ours(batch, training=True))
    assert float(own) == pytest.approx(float(loss.detach()), abs=1e-5)
    assert_same_gradients(ours, model, tape, own)
