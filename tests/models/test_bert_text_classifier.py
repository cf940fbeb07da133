import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.config import BertConfig
from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.errors import InputError
from keras_mlm.model_folder import load_model, load_pretrainer, save_model, write_metrics
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [*SPECIAL_TOKENS, "cup", "won", "they", "bill", "passed", "was", "the", ".", "##s", "中", "国"]
CLASSES = ["politics", "sport", "中国"]
TEXTS = ["They won the cup .", "the bill was passed .", "中国", "cups", "the the the the the bill", "won ."]
LABELS = ["sport", "politics", "中国", "sport", "politics", "sport"]


def config(**entries):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 32}
    return BertConfig(len(VOCABULARY), **{**sizes, "dropout": 0.0, "initializer_range": 0.2, **entries})


def make(seed=0, length=16, classes=CLASSES, **entries):
    keras.utils.set_random_seed(seed)
    return BertTextClassifier(config(**entries), classes, WordPieceTokenizer(VOCABULARY), length=length)


def batches(model, **options):
    return labelled_batches(model.encode(TEXTS), model.class_numbers(LABELS), **{"batch_size": 4, **options})


def gradients(model, inputs, labels):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, labels, model(inputs))
    return float(loss), [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, model.trainable_variables)]


def test_a_handful_of_texts_is_memorised_and_logs_are_means_over_everything_seen():
    model = make()
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(batches(model), epochs=40, verbose=0)
    assert model.predict_texts(TEXTS).labels == LABELS
    logs = model.evaluate(batches(model, shuffle=False), verbose=0, return_dict=True)
    probabilities = model.predict_texts(TEXTS).probabilities
    expected = -np.log(probabilities[np.arange(len(TEXTS)), model.class_numbers(LABELS)]).mean()
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-4)  # batches of 4 and 2 weigh by their rows
    assert logs["accuracy"] == 1.0


def test_pairs_have_segments_and_their_order_matters():
    model = make()
    (row,) = model.encode([("won the cup", "the bill")])
    tokens = [model.tokenizer.id_to_token(number) for number in row["token_ids"]]
    assert tokens == ["[CLS]", "won", "the", "cup", "[SEP]", "the", "bill", "[SEP]"]
    assert row["segment_ids"].tolist() == [0] * 5 + [1] * 3
    one, other = model.predict_texts([("won", "the bill"), ("the bill", "won")]).probabilities
    assert np.abs(one - other).max() > 1e-4
    with pytest.raises(InputError, match="all pairs"):
        model.encode(["a text", ("a", "pair")])


@given(st.integers(0, 60), st.integers(0, 60), st.integers(8, 32))
@settings(max_examples=40, deadline=None)
def test_rows_are_never_longer_than_the_model_and_the_longer_text_is_cut_first(first, second, length):
    model = LENGTHS[length]
    (row,) = model.encode([("cup " * first, "bill " * second)])
    kept = [int((row["token_ids"] == model.tokenizer.token_to_id(word)).sum()) for word in ("cup", "bill")]
    room = length - 3
    assert sum(kept) == min(first + second, room)
    assert len(row["token_ids"]) == sum(kept) + 3
    for mine, other, whole in ((kept[0], kept[1], first), (kept[1], kept[0], second)):
        assert mine == whole or mine >= other - 1 or mine >= room // 2


class _Lengths(dict):
    def __missing__(self, length):
        self[length] = make(length=length)
        return self[length]


LENGTHS = _Lengths()


def test_a_text_of_a_hundred_thousand_words_is_cut():
    (row,) = make().encode(["won " * 100_000])
    assert len(row["token_ids"]) == 16


def test_predictions_do_not_depend_on_the_other_texts():
    model = make()
    together = model.predict_texts(TEXTS).probabilities
    alone = np.concatenate([model.predict_texts(text).probabilities for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)
    assert model.predict_texts([]).labels == []


def test_negative_labels_contribute_nothing():
    model = make()
    inputs, labels = next(iter(batches(model, batch_size=6, shuffle=False)))
    half = tf.where(tf.range(6) < 3, labels, -1)
    loss, found = gradients(model, inputs, half)
    expected_loss, expected = gradients(model, {name: value[:3] for name, value in inputs.items()}, labels[:3])
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("next_sentence", [True, False])
def test_encoder_and_pooler_come_from_the_pretrained_model(next_sentence):
    keras.utils.set_random_seed(7)
    pretrainer = BertPretrainer(config(next_sentence=next_sentence), tokenizer=WordPieceTokenizer(VOCABULARY))
    model = BertTextClassifier.from_encoder(pretrainer, CLASSES, length=16, dropout=0.3)
    assert model.config.dropout == 0.3 and pretrainer.config.dropout == 0.0
    (row,) = model.encode(TEXTS[:1])
    inputs = {name: value[None] for name, value in row.items()} | {"padding_mask": row["token_ids"][None] >= 0}
    ours, theirs = (m.backbone(inputs, training=False) for m in (model, pretrainer))
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert ("pooled_output" in theirs) == next_sentence and "pooled_output" in ours


def test_the_first_batches_of_two_epochs_differ_and_a_seed_gives_them_again():
    model = make()
    rows, labels = model.encode(TEXTS * 9), model.class_numbers(LABELS * 9)

    def epochs(seed):
        dataset = labelled_batches(rows, labels, batch_size=4, seed=seed)
        return [np.concatenate([y.numpy() for _, y in dataset]).tolist() for _ in range(2)]

    first, second = epochs(1)
    assert first != second and sorted(first) == sorted(second) == sorted(labels.tolist())
    assert epochs(1) == [first, second] != epochs(2)


# === Folder ===


def test_a_loaded_classifier_is_the_saved_one(tmp_path):
    model = make(norm="pre", position="rotary")
    save_model(model, str(tmp_path / "topics"), metrics={"dev_accuracy": 0.5})
    loaded = load_model(str(tmp_path / "topics"))
    assert isinstance(loaded, BertTextClassifier)
    assert (loaded.classes, loaded.length, loaded.config) == (CLASSES, 16, model.config)
    np.testing.assert_array_equal(loaded.predict_texts(TEXTS).probabilities, model.predict_texts(TEXTS).probabilities)
    write_metrics(str(tmp_path / "topics"), {"test_accuracy": 0.25})
    card = (tmp_path / "topics/README.md").read_text()
    assert "text-classification" in card and "`中国`" in card and "| test_accuracy | 0.25 |" in card
    again = BertTextClassifier.from_config(model.get_config())
    assert again.get_config() == model.get_config()


def test_a_classifier_is_no_pretrained_model_and_other_classes_are_another_model(tmp_path):
    save_model(make(), str(tmp_path / "topics"))
    with pytest.raises(InputError, match="BertTextClassifier"):
        load_pretrainer(str(tmp_path / "topics"))
    with pytest.raises(InputError, match="another model"):
        save_model(make(classes=["a", "b", "c"]), str(tmp_path / "topics"))
    assert load_model(str(tmp_path / "topics")).classes == CLASSES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["one"]}, "two classes"),
        ({"classes": ["a", "a", "b"]}, "twice"),
        ({"classes": ["a", 3, "b"]}, "name"),
        ({"classes": "abc"}, "list"),
        ({"classes": ["a", "b"]}, "does not fit"),
        ({"length": 4096}, "length"),
        ({"length": "16"}, "length"),
        ({"head": "os.system"}, "head"),
        ({"class": "BertPretrainer"}, "classes"),
    ],
)
def test_a_config_that_no_classifier_has_is_refused(tmp_path, change, message):
    save_model(make(), str(tmp_path / "m"))
    path = tmp_path / "m/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        load_model(str(tmp_path / "m"))


def test_unknown_labels_are_listed():
    with pytest.raises(InputError, match="art, law"):
        make().class_numbers(["law", "sport", "art"])
