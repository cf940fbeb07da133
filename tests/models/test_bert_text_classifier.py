import itertools
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
from keras_mlm.row_cutting import LONG_TEXT, window_starts
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [*SPECIAL_TOKENS, "cup", "won", "they", "bill", "passed", "was", "the", ".", "##s", "中", "国"]
CLASSES = ["politics", "sport", "中国"]
TEXTS = ["They won the cup .", "the bill was passed .", "中国", "cups", "the the the the the bill", "won ."]
LABELS = ["sport", "politics", "中国", "sport", "politics", "sport"]


def config(**entries):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 32}
    return BertConfig(len(VOCABULARY), **{**sizes, "dropout": 0.0, "initializer_range": 0.2, **entries})


HEAD = ("long_text", "pooling", "multi_label", "temperature")


def make(seed=0, length=16, classes=CLASSES, **entries):
    keras.utils.set_random_seed(seed)
    head = {name: entries.pop(name) for name in HEAD if name in entries}
    return BertTextClassifier(config(**entries), classes, WordPieceTokenizer(VOCABULARY), length=length, **head)


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
@settings(max_examples=40)
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


def test_micro_batches_change_nothing_however_unevenly_the_weights_lie():
    """What `TensorFlowStep` promises: the mean of the parts' means would be another step."""
    weights, steps = [1.0, 0.0, 0.0, 0.0, 2.0, 0.5], []
    for parts in (1, 3):
        model = make()
        model.compile(keras.optimizers.SGD(0.5), micro_batches=parts)
        logs = model.fit(batches(model, batch_size=6, shuffle=False, weights=weights), verbose=0).history
        steps.append([logs["loss"][0], *(weight for weight in model.get_weights())])
    for one, other in zip(*steps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_weights_are_repetitions():
    model = make()
    inputs, labels = next(iter(batches(model, batch_size=6, shuffle=False)))
    twice = {name: tf.concat([value, value[:1]], 0) for name, value in inputs.items()}
    _, expected = gradients(model, twice, tf.concat([labels, labels[:1]], 0))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, labels, model(inputs), tf.constant([2.0, 1, 1, 1, 1, 1]))
    for one, other in zip(tape.gradient(loss, model.trainable_variables), expected, strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, atol=1e-6)


def test_padding_is_in_no_mean_and_is_no_largest_value():
    model = make(pooling="cls_mean_max")
    (row,) = model.encode(TEXTS[:1])
    inputs = {name: row[name][None] for name in ("token_ids", "segment_ids")}
    inputs["padding_mask"] = np.ones(inputs["token_ids"].shape, bool)
    wider = {name: np.pad(value, [[0, 0], [0, 5]]) for name, value in inputs.items()}
    encoded = model.backbone(inputs)
    features = keras.ops.convert_to_numpy(model.features(model.backbone(wider), wider["padding_mask"]))
    hidden = keras.ops.convert_to_numpy(encoded["sequence_output"])[0]
    expected = np.concatenate([encoded["pooled_output"][0], hidden.mean(axis=0), hidden.max(axis=0)])
    np.testing.assert_allclose(features[0], expected, atol=1e-5)
    np.testing.assert_allclose(model(wider), model(inputs), atol=1e-5)
    np.testing.assert_allclose(make(pooling="cls").features(encoded, None), encoded["pooled_output"], atol=1e-6)


# === Several labels ===


def test_a_text_may_have_several_classes_or_none():
    labels = [["sport"], ["politics"], ["中国"], ["sport", "中国"], [], ["politics", "sport"]]
    model = make(multi_label=True)
    numbers = model.class_numbers(labels)
    np.testing.assert_array_equal(numbers[[3, 4]], [[0, 1, 1], [0, 0, 0]])
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(labelled_batches(model.encode(TEXTS), numbers, batch_size=4), epochs=60, verbose=0)
    answer = model.predict_texts(TEXTS)
    assert [sorted(found) for found in answer.labels] == [sorted(wanted) for wanted in labels]
    logs = model.evaluate(labelled_batches(model.encode(TEXTS), numbers, batch_size=4), verbose=0, return_dict=True)
    p = answer.probabilities
    np.testing.assert_allclose(logs["loss"], -np.mean(np.log(np.where(numbers > 0, p, 1 - p))), rtol=1e-3)
    assert logs["accuracy"] == 1.0
    with pytest.raises(InputError, match="art"):
        model.class_numbers([["sport", "art"]])


def test_temperature_changes_probabilities_and_never_the_answer():
    for multi_label in (False, True):
        model = make(multi_label=multi_label)
        before = model.predict_texts(TEXTS)
        model.temperature = 2.0
        after = model.predict_texts(TEXTS)
        assert after.labels == before.labels
        if multi_label:
            expected = 1 / (1 + np.sqrt((1 - before.probabilities) / before.probabilities))
        else:
            roots = np.sqrt(before.probabilities)
            expected = roots / roots.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(after.probabilities, expected, rtol=1e-4)


# === Long texts ===


def tokens(model, row):
    return " ".join(model.tokenizer.id_to_token(number) for number in row["token_ids"])


def test_head_tail_keeps_the_beginning_and_the_end():
    model = make(length=8, long_text="head_tail")
    (row,) = model.encode(["won they cup the the the the bill was passed"])
    assert tokens(model, row) == "[CLS] won they cup bill was passed [SEP]"
    (row,) = model.encode(["won they cup the bill was"])  # fits: nothing is left out, nothing is there twice
    assert tokens(model, row) == "[CLS] won they cup the bill was [SEP]"
    model = make(length=10, long_text="head_tail")
    (row,) = model.encode([("won they the the the cup .", "bill was the the the the passed")])
    assert tokens(model, row) == "[CLS] won they cup . [SEP] bill was passed [SEP]"


@given(st.integers(0, 200), st.integers(6, 40))
@settings(max_examples=60)
def test_windows_lose_no_token_and_neighbours_overlap(tokens, room):
    starts = window_starts(tokens, room)
    assert starts[0] == 0 and starts == sorted(set(starts))
    assert starts[-1] + room == tokens if tokens > room else starts == [0]
    for one, other in itertools.pairwise(starts):
        assert room - (other - one) >= room // 4


def test_windows_of_a_text_are_one_example():
    model = make(length=8, long_text="windows")
    long = "won they cup the bill was passed . won cup"
    rows = model.encode([long, "won .", long])
    assert [int(row["text_index"]) for row in rows] == [0, 0, 1, 2, 2]
    assert tokens(model, rows[1]) == "[CLS] bill was passed . won cup [SEP]"
    # A text's logits are the mean of its windows'.
    logits = model.text_logits(rows)
    np.testing.assert_allclose(logits[0], np.mean(model.logits(rows[:2]), axis=0), atol=1e-6)
    np.testing.assert_allclose(logits, model.text_logits(model.encode([long, "won .", long])), atol=1e-6)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_texts([long, "won .", long]).probabilities, expected, rtol=1e-4)
    # Each window weighs 1 / windows, times what the text weighs.
    dataset = labelled_batches(rows, np.array([0, 1, 2]), shuffle=False, weights=[1.0, 1.0, 3.0])
    _, labels, weights = next(iter(dataset))
    assert labels.numpy().tolist() == [0, 0, 1, 2, 2]
    np.testing.assert_allclose(weights, [0.5, 0.5, 1.0, 1.5, 1.5])
    with pytest.raises(InputError, match="2 texts and 3 labels"):
        labelled_batches(rows[:3], np.array([0, 1, 2]))
    with pytest.raises(InputError, match="single texts"):
        model.encode([("a", "pair")])


def test_a_text_that_fits_is_the_same_row_under_every_rule():
    rows = [make(long_text=rule).encode(TEXTS) for rule in LONG_TEXT]
    for one, other in zip(rows[0] * 2, rows[1] + rows[2], strict=True):
        np.testing.assert_array_equal(one["token_ids"], other["token_ids"])


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


@pytest.mark.parametrize("multi_label", [False, True])
def test_few_shapes_are_the_same_texts_filled_up_with_what_is_ignored(multi_label):
    model = make(multi_label=multi_label)
    labels = [[label] for label in LABELS] if multi_label else LABELS
    given = model.encode(TEXTS), model.class_numbers(labels)
    plain, few = (labelled_batches(*given, batch_size=4, shuffle=False, few_shapes=few) for few in (False, True))
    shapes = [y.shape[0] for _, y in plain], [y.shape[0] for _, y in few]
    assert shapes[0][-1] < 4 and set(shapes[1]) == {4} and len(plain) == len(few)
    assert {x["token_ids"].shape[1] for x, _ in few} == {16}
    model.compile("adam")
    logs = [model.evaluate(batches, verbose=0, return_dict=True) for batches in (plain, few)]
    assert logs[0] == pytest.approx(logs[1], abs=1e-6)


def test_a_copy_in_half_precision_has_weights_of_its_own():
    model = make()
    copy = model.in_precision("mixed_bfloat16")
    assert model.in_precision("float32") is model and keras.config.dtype_policy().name == "float32"
    assert copy.compute_dtype == "bfloat16" and copy.tokenizer is model.tokenizer
    before = model.predict_texts(TEXTS).probabilities
    np.testing.assert_allclose(copy.predict_texts(TEXTS).probabilities, before, atol=0.02)
    copy.set_weights([weight + 1 for weight in copy.get_weights()])
    np.testing.assert_array_equal(model.predict_texts(TEXTS).probabilities, before)


def test_no_epoch_waits_for_a_thread_that_tunes_the_last_one():
    """Waiting cannot be asserted: it comes and goes. Fine-tuning took twice as long with it."""
    assert batches(make()).options().autotune.enabled is False


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
    model = make(norm="pre", position="rotary", long_text="head_tail", pooling="cls_mean_max", temperature=1.5)
    save_model(model, str(tmp_path / "topics"), metrics={"dev_accuracy": 0.5})
    loaded = load_model(str(tmp_path / "topics"))
    assert isinstance(loaded, BertTextClassifier)
    assert (loaded.classes, loaded.length, loaded.config) == (CLASSES, 16, model.config)
    np.testing.assert_array_equal(loaded.predict_texts(TEXTS).probabilities, model.predict_texts(TEXTS).probabilities)
    write_metrics(str(tmp_path / "topics"), {"test_accuracy": 0.25})
    assert loaded.head_config() == model.head_config()
    card = (tmp_path / "topics/README.md").read_text()
    assert "text-classification" in card and "`中国`" in card and "| test_accuracy | 0.25 |" in card
    again = BertTextClassifier.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert "beginning and end" in card and "temperature 1.5" in card
    # A temperature is measured after training: it may change, the rule for long texts may not.
    model.temperature = 1.25
    save_model(model, str(tmp_path / "topics"))
    assert load_model(str(tmp_path / "topics")).temperature == 1.25
    with pytest.raises(InputError, match="long_text"):
        save_model(make(norm="pre", position="rotary", pooling="cls_mean_max"), str(tmp_path / "topics"))


def test_a_folder_from_before_these_entries_is_read(tmp_path):
    save_model(make(pooling="cls"), str(tmp_path / "m"))
    path = tmp_path / "m/config.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k not in HEAD}))
    loaded = load_model(str(tmp_path / "m"))
    found = (loaded.long_text, loaded.pooling, loaded.multi_label, loaded.temperature)
    assert found == ("truncate", "cls", False, 1.0)
    save_model(loaded, str(tmp_path / "m"))
    assert set(HEAD) <= set(json.loads(path.read_text()))


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
        ({"long_text": "middle"}, "long_text"),
        ({"pooling": "median"}, "pooling"),
        ({"pooling": "cls_mean_max"}, "does not fit"),
        ({"multi_label": "yes"}, "multi_label"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": True}, "temperature"),
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
