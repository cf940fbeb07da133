import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.config import BertConfig
from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.errors import InputError
from keras_mlm.model_folder import load_model, load_pretrainer, save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tag_scheme import first_illegal
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

WORDS = [
    "ada",
    "love",
    "##lace",
    "wrote",
    "it",
    ".",
    ",",
    "in",
    "paris",
    "a",
    "b",
    "x",
    "不",
    "我",
    "爱",
    "北",
    "京",
    "##s",
]
VOCABULARY = [*SPECIAL_TOKENS, *WORDS]
ENTITIES = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
SENTENCES = [["Ada", "Lovelace", "wrote", "it", "."], ["it", ",", "in", "Paris"], ["我", "爱", "北", "京", "Paris"]]
TAGS = [["B-PER", "I-PER", "O", "O", "O"], ["O", "O", "O", "B-LOC"], ["O", "O", "B-LOC", "I-LOC", "B-LOC"]]


def make(classes=ENTITIES, length=16, seed=0, **entries):
    keras.utils.set_random_seed(seed)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 64}
    given_ = {**sizes, "dropout": 0.0, "initializer_range": 0.2, "position": "rotary", "norm": "pre", **entries}
    return BertTokenClassifier(
        BertConfig(len(VOCABULARY), **given_), classes, WordPieceTokenizer(VOCABULARY), length=length
    )


def fitted(model, sentences, tags, epochs=40, rate=1e-2):
    windows = model.encode_words(sentences)
    labels = windows.labels(model.class_numbers([tag for of_words in tags for tag in of_words]))
    model.compile(keras.optimizers.Adam(rate))
    model.fit(labelled_batches(windows.rows, labels, batch_size=8), epochs=epochs, verbose=0)
    return model


@pytest.fixture(scope="module")
def tagger():
    return fitted(make(), SENTENCES, TAGS)


# === Rows and the loss ===


def test_labels_stand_at_first_pieces_and_nowhere_else():
    model = make()
    windows = model.encode_words([["Lovelace", "\u200b", "wrote"], []])
    (row,), (labels,) = windows.rows, windows.labels([1, 4, 0])
    tokens = [model.tokenizer.id_to_token(number) for number in row["token_ids"]]
    assert tokens == ["[CLS]", "love", "##lace", "[UNK]", "wrote", "[SEP]"], "a word without pieces is not lost"
    assert labels.tolist() == [-1, 1, -1, 4, 0, -1]
    assert windows.splits.tolist() == [0, 3, 3]


def test_the_loss_is_the_mean_over_first_pieces_and_nothing_else_has_a_gradient():
    model = make()
    windows = model.encode_words(SENTENCES)
    numbers = model.class_numbers([tag for of_words in TAGS for tag in of_words])
    (batch,) = labelled_batches(windows.rows, windows.labels(numbers), batch_size=8, shuffle=False)
    inputs, labels = batch
    logits = tf.Variable(tf.convert_to_tensor(model(inputs, training=False)))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, labels, logits.value())
    of_words = model.word_logits(windows)
    shares = np.exp(of_words) / np.exp(of_words).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loss, -np.log(shares[np.arange(len(numbers)), numbers]).mean(), rtol=1e-5)
    gradient = tf.convert_to_tensor(tape.gradient(loss, logits)).numpy()
    expected = (shares - np.eye(len(ENTITIES))[numbers]) / len(numbers)
    np.testing.assert_allclose(windows.of_words(list(gradient)), expected, atol=1e-6)
    assert not gradient[labels.numpy() < 0].any() and (labels.numpy() < 0).sum() == 10


def test_a_handful_of_sentences_is_memorised(tagger):
    assert tagger.predict_words(SENTENCES).tags == TAGS
    assert [len(scores) for scores in tagger.predict_words(SENTENCES).scores] == [5, 4, 5]
    logs = tagger.evaluate(_batches(tagger), verbose=0, return_dict=True)
    assert logs["accuracy"] == 1.0


def _batches(model):
    windows = model.encode_words(SENTENCES)
    numbers = model.class_numbers([tag for of_words in TAGS for tag in of_words])
    return labelled_batches(windows.rows, windows.labels(numbers), batch_size=2, shuffle=False)


# === Texts and places ===


def test_entities_have_their_places_in_the_original(tagger):
    text = "Ada\u00a0Lovelace  wrote it. "
    (spans,) = tagger.predict_texts(text)
    assert [(span.text, span.label, span.start, span.end) for span in spans] == [("Ada\u00a0Lovelace", "PER", 0, 12)]
    assert 0.2 < spans[0].score <= 1
    (chinese,) = tagger.predict_texts(["我爱北京ＰＡＲＩＳ"])
    assert [(span.text, span.label, span.start) for span in chinese] == [("北京", "LOC", 2), ("ＰＡＲＩＳ", "LOC", 4)]


def odd_texts(nasty_strings, generated_strings):
    """2,000 texts of both languages: their words among full-width digits, emoji, other scripts and marks."""
    draw = random.Random(6)
    odd = [
        "１２３",
        "👩‍👩‍👧",
        "🇫🇷",
        "ｐａｒｉｓ",
        "cafe\u0301",
        "½",
        "ﬁ",
        "\u200b",
        "ёжЖ",
        "한글",
        "カ",
        "a\u0308\u0301",
        "𝒳",
        "\ufeff",
    ]
    texts = [
        "".join(draw.choice([*odd, *WORDS, "Ada Lovelace", "北京", " ", "，"]) for _ in range(draw.randint(1, 14)))
        for _ in range(1400)
    ]
    return [*texts, *generated_strings[: 2000 - len(texts) - len(nasty_strings)], *nasty_strings]


@pytest.mark.parametrize("normalization", ["fast", "bert"])
@pytest.mark.parametrize("classes", [ENTITIES, ["NOUN", "VERB"]], ids=["entities", "words"])
def test_what_is_cut_out_of_a_text_is_the_surface_form_always(classes, normalization, nasty_strings, generated_strings):
    texts = odd_texts(nasty_strings, generated_strings)
    assert len(texts) == 2000
    model = make(classes)
    model.tokenizer = WordPieceTokenizer(VOCABULARY, normalization=normalization)
    labels, between = set(), []
    for text, spans in zip(texts, model.predict_texts(texts), strict=True):
        end = 0
        for span in spans:
            assert text[span.start : span.end] == span.text and end <= span.start < span.end <= len(text)
            between.append(text[end : span.start])
            end = span.end
            labels.add(span.label)
        between.append(text[end:])
    assert labels == ({"LOC", "PER"} if model.scheme else set(classes))
    # All that a tokenizer sees is in a word: between words there is nothing for it.
    assert model.scheme or not len(model.tokenizer.tokenize(between).values)


@given(st.lists(st.text(max_size=40), max_size=4))
@settings(max_examples=100)
def test_places_hold_for_any_text(texts):
    for text, spans in zip(texts, UNTRAINED.predict_texts(texts), strict=True):
        assert all(text[span.start : span.end] == span.text != "" for span in spans)
        assert [span.start for span in spans] == sorted({span.start for span in spans})


@given(st.lists(st.lists(st.sampled_from([*WORDS, "不不不", "\u0301"]), max_size=30), max_size=4))
@settings(max_examples=60)
def test_tags_are_as_many_as_words_and_always_legal(sentences):
    tags, scores = UNTRAINED.predict_words(sentences)
    assert [len(of_words) for of_words in tags] == [len(sentence) for sentence in sentences]
    assert all(first_illegal(of_words, "BIO") is None for of_words in tags)
    assert all(((of_words > 0) & (of_words <= 1)).all() for of_words in scores)


UNTRAINED = make(length=8)


def test_texts_without_words(tagger):
    assert tagger.predict_texts([]) == [] and tagger.predict_words([]).tags == []
    assert tagger.predict_texts(["", " \n", "\u0301"]) == [[], [], []] and tagger.predict_words([[]]).tags == [[]]
    assert tagger.annotate([""]) == ([[]], [[]])


def test_texts_and_words_agree_and_do_not_depend_on_the_others(tagger):
    texts = [" ".join(sentence) for sentence in SENTENCES]
    words, tags = tagger.annotate(texts)
    assert words[1] == SENTENCES[1] and tags[1] == ["O", "O", "O", "LOC"]
    assert tagger.predict_texts(texts)[0] == tagger.predict_texts(texts[0])[0]


# === Long sentences ===


@pytest.fixture(scope="module")
def neighbours():
    """A tagger of `x`, whose tag is told by the word before it, which may stand before a window's edge."""
    draw = random.Random(3)
    sentences = [neighbour_words(draw, draw.randint(2, 24)) for _ in range(160)]
    return fitted(make(["after_a", "after_b", "other"], 32), sentences, list(map(neighbour_tags, sentences)), 12)


def neighbour_words(draw, count):
    return [word for _ in range(count // 2) for word in (draw.choice(["a", "b"]), draw.choice(["x", "x", "it"]))]


def neighbour_tags(words):
    return [f"after_{before}" if word == "x" else "other" for before, word in zip(["", *words], words, strict=False)]


def test_a_long_text_has_the_tags_in_its_middle_that_a_text_which_fits_has(neighbours):
    words = neighbour_words(random.Random(4), 3000)
    (tags,) = neighbours.predict_words([words]).tags
    assert tags == neighbour_tags(words), "no word at a seam is wrong"
    for start in range(1400, 1460):
        excerpt = words[start : start + 30]
        (alone,) = neighbours.predict_words([excerpt]).tags
        assert alone[8:22] == tags[start + 8 : start + 22]
    (spans,) = neighbours.predict_texts(" ".join(words))
    assert [span.label for span in spans] == tags


def test_a_window_is_what_a_text_of_its_words_is():
    model = make(length=32, position="learned")
    words = neighbour_words(random.Random(5), 60)
    windows = model.encode_words([words])
    found = model.word_logits(windows)
    for row, of_row in zip(windows.rows, windows.words, strict=True):
        here = of_row[of_row >= 0]
        begin = here[0] - np.flatnonzero(of_row >= 0)[0] + 1
        alone = model.word_logits(model.encode_words([words[begin : begin + len(row["token_ids"]) - 2]]))
        np.testing.assert_allclose(found[here], alone[here - begin], atol=1e-5)


def test_a_text_of_a_hundred_thousand_words_loses_none():
    (tags,) = make(["after_a", "after_b"], 64).predict_words([["a", "x"] * 50_000]).tags
    assert len(tags) == 100_000


# === An annotator ===


def test_words_of_a_segmenter_are_taken_and_what_is_no_part_of_the_text_is_refused():
    model = make(["NOUN", "PRON", "VERB"])
    words = {"我爱 北京": ["我", "爱", " ", "北京"], "": []}
    (tags,) = model.predict_words([["我", "爱", "北京"]]).tags
    assert model.annotate(list(words), segment=words.get) == ([["我", "爱", "北京"], []], [tags, []])
    (spans,) = model.predict_texts("我爱 北京", segment=words.get)
    assert [(span.start, span.end) for span in spans] == [(0, 1), (1, 2), (3, 5)]
    for other in (["我", "北京"], ["我", "爱", "上海"], ["北京", "我"]):
        with pytest.raises(InputError, match="segment gave"):
            model.annotate(["我爱北京"], segment=lambda text, words=other: words)


def test_spans_are_the_words_of_an_annotator(tagger):
    words, tags = tagger.annotate(["it ,in北京Paris", "AdaLoves"])
    assert words[0] == ["it", ",", "in", "北京", "Paris"] and tags[0] == ["O", "O", "O", "LOC", "LOC"]
    assert words[1] == ["AdaLoves"]


# === Folder ===


def test_a_loaded_tagger_is_the_saved_one(tagger, tmp_path):
    save_model(tagger, str(tmp_path / "entities"), metrics={"dev_f1": 0.5})
    loaded = load_model(str(tmp_path / "entities"))
    assert isinstance(loaded, BertTokenClassifier)
    assert (loaded.classes, loaded.length, loaded.scheme, loaded.config) == (ENTITIES, 16, "BIO", tagger.config)
    assert loaded.predict_words(SENTENCES).tags == TAGS
    card = (tmp_path / "entities/README.md").read_text()
    assert "token-classification" in card and "`B-LOC`" in card and "| dev_f1 | 0.5 |" in card
    again = BertTokenClassifier.from_config(tagger.get_config())
    assert again.get_config() == tagger.get_config()


def test_a_tagger_is_no_pretrained_model_and_no_classifier(tagger, tmp_path):
    save_model(tagger, str(tmp_path / "entities"))
    with pytest.raises(InputError, match="BertTokenClassifier"):
        load_pretrainer(str(tmp_path / "entities"))
    keras.utils.set_random_seed(0)
    other = BertTextClassifier(tagger.config, ENTITIES, tagger.tokenizer, length=16)
    with pytest.raises(InputError, match="another model"):
        save_model(other, str(tmp_path / "entities"))
    path = tmp_path / "entities/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "class": "BertTextClassifier"}))
    with pytest.raises(InputError, match="does not fit"):
        load_model(str(tmp_path / "entities"))


def test_the_encoder_comes_from_the_pretrained_model(tagger):
    keras.utils.set_random_seed(7)
    pretrainer = BertPretrainer(tagger.config, tokenizer=tagger.tokenizer)
    model = BertTokenClassifier.from_encoder(pretrainer, ENTITIES, length=16, dropout=0.3)
    inputs = {"token_ids": np.array([[2, 5, 6, 3]]), "padding_mask": np.ones((1, 4), bool)}
    ours, theirs = (m.backbone(inputs, training=False)["sequence_output"] for m in (model, pretrainer))
    np.testing.assert_array_equal(ours, theirs)
    assert not model.config.next_sentence and model.config.dropout == 0.3


def test_without_a_tokenizer_texts_are_refused():
    model = make()
    model.tokenizer = None
    for call in (lambda: model.predict_texts("a"), lambda: model.predict_words([["a"]])):
        with pytest.raises(InputError, match="no tokenizer"):
            call()
