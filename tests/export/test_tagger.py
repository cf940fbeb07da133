"""What a served tagger answers is what the model answers: words, tags that may follow each other, and places."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.errors import InputError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model
from keras_mlm.export.tagger_answers import most_probable
from keras_mlm.export.text_words import graph_words
from keras_mlm.export.tokenizer_strings import tokenizer_strings
from keras_mlm.models.tag_decoder import TagDecoder
from keras_mlm.tag_scheme import first_illegal

LENGTH, SLOTS, HIDDEN = 16, 40, 32
TEXTS = ["Paris is the capital of France .", "", "中 国", "the the unknownword paris", "paris capitals " * 5,
         "of france . " * 13,
         "e\u0301t\u00e9 \u2764\ufe0f \uff11\uff12 \u00bd 中国\U0001f469\u200d\U0001f4bb"]  # fmt: skip
COUNTS = {"token_count": [None], "truncated": [None], "unknown_count": [None]}
TEXT = {"text": (tf.string, [None])}
IDS = {name: (tf.int32, [None, LENGTH]) for name in ("token_ids", "segment_ids", "padding_mask")}
VECTORS = {"mean_pooled": [None, HIDDEN], "cls": [None, HIDDEN]}


# As they run in an export, traced once for all examples.
MOST_PROBABLE = tf.function(
    most_probable,
    [tf.TensorSpec(shape, dtype) for shape, dtype in
     (([None, None, 9], tf.float32), ([None], tf.int32), ([9], tf.float32), ([9, 9], tf.float32), ([9], tf.float32))],
)  # fmt: skip


@pytest.fixture(scope="module")
def words_in_a_graph(tagger):
    return tf.function(lambda texts: graph_words(tagger.tokenizer, texts), [tf.TensorSpec([None], tf.string)])


def expected_signatures(count):
    """The contract with clients: a change of a name here breaks what somebody runs."""
    slots = {name: [None, SLOTS] for name in ("words", "tags", "scores", "starts", "ends")}
    tag = {**slots, "word_count": [None], **COUNTS}
    return {
        "serving_default": (TEXT, tag),
        "tag": (TEXT, tag),
        "tag_ids": (IDS, {"tags": [None, LENGTH], "logits": [None, LENGTH, count], "classes": [None, count]}),
        "embed": (TEXT, {**VECTORS, **COUNTS}),
        "embed_ids": (IDS, {"sequence_output": [None, LENGTH, HIDDEN], **VECTORS}),
        "tokenize": (TEXT, {name: [None, LENGTH] for name in ("token_ids", "tokens", "starts", "ends")} | COUNTS),
    }


def check(model, outputs, texts):
    """Words, places, tags and scores are the model's own, as far as there are slots."""
    words = model.tokenizer.words(texts)
    windows = model.windows_of(words.token_ids, words.piece_counts, words.word_counts)
    tags, scores = model.predict_windows(windows)
    first = 0
    for row, text in enumerate(texts):
        count = int(words.word_counts[row])
        used = slice(0, min(count, SLOTS))
        starts, ends = words.starts[first : first + count], words.ends[first : first + count]
        assert outputs["word_count"][row] == count
        assert outputs["truncated"][row] == (count > SLOTS)
        np.testing.assert_array_equal(outputs["starts"][row, used], starts[used])
        np.testing.assert_array_equal(outputs["ends"][row, used], ends[used])
        found = [word.decode() for word in outputs["words"][row, used]]
        assert found == [text[start:end] for start, end in zip(starts[used], ends[used], strict=True)]
        if count <= SLOTS:  # else the last tags do not know of what follows
            assert [tag.decode() for tag in outputs["tags"][row, used]] == tags[row]
            np.testing.assert_allclose(outputs["scores"][row, used], scores[row], atol=1e-5)
        for name, empty in (("words", b""), ("tags", b""), ("scores", 0), ("starts", -1), ("ends", -1)):
            assert (outputs[name][row, used.stop :] == empty).all()
        first += count


def test_names_types_and_widths_of_every_signature(tagger, served_tagger):
    found = {}
    for name, signature in served_tagger.signatures.items():
        inputs = {
            key: (spec.dtype, spec.shape.as_list()) for key, spec in signature.structured_input_signature[1].items()
        }
        found[name] = (inputs, {key: spec.shape.as_list() for key, spec in signature.structured_outputs.items()})
    assert found == expected_signatures(len(tagger.classes))


def test_tag_answers_what_the_model_answers(tagger, served_tagger):
    outputs = served_tagger("tag", text=TEXTS)
    check(tagger, outputs, TEXTS)
    tokens = tagger.tokenizer.tokenize(TEXTS).to_list()
    assert outputs["token_count"].tolist() == [len(row) for row in tokens]
    assert outputs["unknown_count"].tolist() == [row.count(1) for row in tokens]
    if tagger.scheme:
        rows = [[tag.decode() for tag in row if tag] for row in outputs["tags"]]
        assert [first_illegal(row, tagger.scheme) for row in rows] == [None] * len(rows)
        # Its own best tags of words would not be legal, or this proves nothing.
        logits = tagger.word_logits(tagger.encode_words([text.split() for text in TEXTS]))
        assert first_illegal([tagger.classes[number] for number in logits.argmax(axis=1)], tagger.scheme) is not None


def test_three_hundred_odd_texts(tagger, served_tagger):
    texts = tokenizer_strings()
    for start in range(0, len(texts), 50):
        check(tagger, served_tagger("tag", text=texts[start : start + 50]), texts[start : start + 50])


@given(
    st.lists(st.text("paris of中国s\u0301\u200d.\u00bd\ufb01\ufe0f \U0001f469", max_size=60), min_size=1, max_size=10)
)
@settings(max_examples=10)
def test_any_texts_together(tagger, served_tagger, texts):
    check(tagger, served_tagger("tag", text=texts), texts)


def test_more_words_than_slots_are_those_of_the_text_that_fits(tagger, served_tagger):
    words = ["paris", "is", "中", "capitals", "zzz"] * 20
    long, cut = served_tagger("tag", text=[" ".join(words)]), served_tagger("tag", text=[" ".join(words[:SLOTS])])
    assert (long["truncated"], cut["truncated"]) == (True, False)
    assert (long["word_count"], cut["word_count"]) == (100, SLOTS)
    for name in ("words", "tags", "starts", "ends"):
        np.testing.assert_array_equal(long[name], cut[name])
    np.testing.assert_allclose(long["scores"], cut["scores"], atol=1e-5)


def test_strange_texts_get_an_answer(served_tagger):
    texts = [b"", b"\xff\xfe paris \xc3", b"zzz " * 25_000, b"\x00", "paris\u0301".encode(), b" \t\n"]
    outputs = served_tagger("tag", text=texts)
    assert outputs["word_count"].tolist()[2:] == [25_000, 0, 1, 0]
    place = outputs["words"][1].tolist().index(b"paris")
    assert outputs["starts"][1, place] == 3, "a byte that cannot be decoded counts as a character"
    assert np.isfinite(outputs["scores"]).all()


def test_ids_answer_what_the_model_answers(tagger, served_tagger):
    windows = tagger.encode_words([text.split() for text in TEXTS])
    batch = {name: np.zeros((len(windows.rows), LENGTH), "int32") for name in IDS}
    for index, row in enumerate(windows.rows):
        batch["token_ids"][index, : len(row["token_ids"])] = row["token_ids"]
        batch["padding_mask"][index, : len(row["token_ids"])] = 1
    outputs = served_tagger("tag_ids", **batch)
    logits = windows.of_words(list(outputs["logits"]))
    np.testing.assert_allclose(logits, tagger.word_logits(windows), rtol=1e-5, atol=1e-5)
    names = np.array([*tagger.classes, ""])[np.where(batch["padding_mask"] > 0, outputs["logits"].argmax(axis=2), -1)]
    assert np.vectorize(bytes.decode)(outputs["tags"]).tolist() == names.tolist()
    assert outputs["classes"][0].tolist() == [name.encode() for name in tagger.classes]


def test_a_batch_of_nothing_has_its_widths(tagger, served_tagger):
    for name, (inputs, outputs) in expected_signatures(len(tagger.classes)).items():
        nothing = {key: tf.zeros([0, *shape[1:]], dtype) for key, (dtype, shape) in inputs.items()}
        answer = {key: list(value.shape) for key, value in served_tagger(name, **nothing).items()}
        assert answer == {key: [0, *shape[1:]] for key, shape in outputs.items()}


def test_weights_are_written_once_and_the_card_tells_the_task(tagger, exported_tagger):
    weights = sum(path.stat().st_size for path in exported_tagger.glob("variables/variables.data*"))
    assert weights <= 1.05 * 4 * tagger.count_params()
    card = (exported_tagger / "README.md").read_text()
    assert "pipeline_tag: token-classification" in card and f"`{tagger.classes[0]}`" in card


def test_no_word_slots_are_refused(make_tagger, tmp_path):
    with pytest.raises(InputError, match="word_slots must be at least 1"):
        export_saved_model(make_tagger(), str(tmp_path), ExportOptions(word_slots=0))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_the_most_probable_tags_are_those_of_the_decoder(seed):
    classes = ["B-LOC", "E-LOC", "I-LOC", "S-LOC", "B-PER", "E-PER", "I-PER", "S-PER", "O"]
    rng, decoder = np.random.default_rng(seed), TagDecoder(classes)
    counts = rng.integers(0, 9, 5)
    scores = np.log(rng.dirichlet(np.ones(9), (5, max(1, counts.max())))).astype("float32")
    costs = [part.astype("float32") for part in (decoder.first, decoder.between, decoder.last)]
    found = MOST_PROBABLE(tf.constant(scores), tf.constant(counts, tf.int32), *map(tf.constant, costs)).numpy()
    for row, count in enumerate(counts):
        assert found[row, :count].tolist() == decoder.decode(scores[row, :count]).tolist()


@given(
    st.lists(
        st.text("ab中\u0301\u20dd\u200d\ufe0f\u00bd\ufb01\u1e9b \U0001f469.", max_size=25), min_size=1, max_size=12
    )
)
@settings(max_examples=20)
def test_words_are_those_outside_of_graphs(tagger, words_in_a_graph, texts):
    found, expected = words_in_a_graph(tf.constant(texts)), tagger.tokenizer.words(texts)
    assert found.starts.values.numpy().tolist() == expected.starts.tolist()
    assert found.ends.values.numpy().tolist() == expected.ends.tolist()
    assert found.starts.row_lengths().numpy().tolist() == expected.word_counts.tolist()
    pieces = np.bincount(found.word_index.values + tf.gather(found.starts.row_starts(), found.token_ids.value_rowids()),
                         minlength=len(expected.starts))  # fmt: skip
    assert pieces.tolist() == expected.piece_counts.tolist()
