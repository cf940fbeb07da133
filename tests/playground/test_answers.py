import base64
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_mlm.errors import InputError
from keras_mlm.playground import token_answers
from keras_mlm.playground.answer_from_graphs import answer_from_graphs
from keras_mlm.playground.attention_answer import attention_answer
from keras_mlm.playground.elements import answered, page_html
from keras_mlm.playground.loaded_model import LoadedModel
from keras_mlm.playground.mask_answer import mask_answer
from keras_mlm.playground.mask_words import clickable_words, with_masks
from keras_mlm.playground.sentence_answers import class_answer, next_sentence_answer, tag_answer
from keras_mlm.playground.token_answers import masking_answer, token_answer
from keras_mlm.playground.warm_up import warm_up
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from keras_mlm.visualize.attention_scores import attention_scores

SCRIPT = "<script>alert(1)</script>"
TEXT = "Paris is the [MASK] of France ."
NASTY = [
    SCRIPT,
    f"[MASK] {SCRIPT}",
    '"><img src=x onerror=alert(1)> [MASK]',
    "</td></div><b>[MASK]",
    "{{constructor}} ${alert(1)} `x` [MASK]",
    "&lt;i&gt; [MASK]",
    "😀👩‍👩‍👧 [MASK] 🇨🇳",
    "مرحبا [MASK] بالعالم שלום",
    "\u202eabc\u202c [MASK]",
    "a\x00b [MASK]",
    "[MASK][MASK]",
    "   ",
    "",
    "\u200b",
]
TAGS = {"div", "p", "span", "mark", "bdi", "small", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td",
        "h3", "img"}  # fmt: skip


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.open = [], "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "elements are nested"

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


def checked(html):
    """Parse an answer and check that nothing in it is a script or leads elsewhere."""
    assert not set("{}$`") & set(html), "a template might read it"
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag in TAGS, tag
        for name, value in attributes.items():
            assert name in ("class", "dir", "title", "style", "scope", "role", "src", "alt"), name
            if name == "src":
                assert value.startswith("data:image/svg+xml;base64,")
            if name == "style":
                assert re.fullmatch(r"width: [\d.]+%", value)
    return page


@pytest.mark.parametrize("text", [*NASTY, "Paris is " * 5_000, "[MASK] " * 10_000])
def test_no_text_becomes_markup_or_a_traceback(text, pretrainer, classifier, tagger):
    for function, model in (
        (mask_answer, pretrainer),
        (token_answer, pretrainer),
        (masking_answer, pretrainer),
        (lambda model, given: next_sentence_answer(model, given, given), pretrainer),
        (class_answer, classifier),
        (lambda model, given: class_answer(model, given, given), classifier),
        (tag_answer, tagger),
    ):
        page = checked(answered(function, model, text))
        assert page.text.strip() or any(tag == "img" for tag, _ in page.elements)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_shown_as_it_was_typed(text, pretrainer):
    page = checked(answered(mask_answer, pretrainer, text + "[MASK]"))
    if "tokens, more than" not in page.text:  # a character may fold into many
        for run in re.findall(r"[\w ]+", text):
            assert run in page.text
    checked(answered(token_answer, pretrainer, text))
    chosen = [place for _, place in clickable_words(pretrainer, text)]
    masked = with_masks(pretrainer, text, chosen)
    assert masked.count("[MASK]") == len(chosen) + text.count("[MASK]")


def test_masks_are_filled_with_what_the_model_says(pretrainer):
    (candidates,) = pretrainer.fill_mask(TEXT, top_k=4)[0]
    page = checked(answered(mask_answer, pretrainer, TEXT, 4))
    for candidate in candidates:
        assert candidate.token in page.text
        assert f"{candidate.score:.1%}" in page.text
    marks = [attributes for tag, attributes in page.elements if tag == "mark"]
    assert [mark["title"] for mark in marks] == [f"{candidates[0].score:.1%}"]


def test_it_says_when_it_is_unsure_and_only_then(pretrainer, monkeypatch):
    for score in (0.9, 0.1):
        candidate = pretrainer.fill_mask(TEXT, top_k=1)[0][0][0].__class__("paris", score)
        monkeypatch.setattr(type(pretrainer), "fill_mask", lambda *_, candidate=candidate, **__: [[[candidate]]])
        text = checked(answered(mask_answer, pretrainer, TEXT)).text
        assert ("unsure" in text) == (score < 0.25)


@pytest.mark.slow
def test_graphs_answer_what_the_operations_answer_one_by_one(pretrainer):
    quick = type(pretrainer)(pretrainer.config, tokenizer=WordPieceTokenizer(pretrainer.tokenizer.vocabulary))
    quick.set_weights(pretrainer.get_weights())
    answer_from_graphs(quick)
    for text in (TEXT, "中国 [MASK] \ud800 😀s"):
        page = checked(answered(mask_answer, quick, text)).text
        assert re.sub(r"[\d.]+%", "", page) == re.sub(
            r"[\d.]+%", "", checked(answered(mask_answer, pretrainer, text)).text
        )
        np.testing.assert_allclose(
            attention_scores(quick, text).scores, attention_scores(pretrainer, text).scores, atol=1e-5
        )
        assert answered(token_answer, quick, text) == answered(token_answer, pretrainer, text)
    assert "no tokens in the text" in answered(attention_answer, quick, "\u200b")


@pytest.mark.slow
def test_after_warming_up_no_answer_waits_for_a_graph(pretrainer):
    quick = type(pretrainer)(pretrainer.config, tokenizer=WordPieceTokenizer(pretrainer.tokenizer.vocabulary))
    answer_from_graphs(quick)
    warm_up(quick)
    graphs = quick.call, quick.backbone.call
    traced = [graph.experimental_get_tracing_count() for graph in graphs]
    assert all(traced)
    for text in ("[MASK]", TEXT, f"{TEXT} {TEXT} [MASK] [MASK]"):
        for answer in (mask_answer, token_answer, masking_answer, attention_answer):
            answered(answer, quick, text)
        answered(next_sentence_answer, quick, text, TEXT)
    assert [graph.experimental_get_tracing_count() for graph in graphs] == traced


def test_words_are_where_they_stand_and_masks_replace_exactly_them(pretrainer):
    text = "Paris, [MASK] 中国 France."
    words = clickable_words(pretrainer, text)
    places = ["0-5", "5-6", "14-15", "15-16", "17-23", "23-24"]
    assert words == list(zip(["Paris", ",", "中", "国", "France", "."], places, strict=True))
    assert with_masks(pretrainer, text, ["17-23", "14-15"]) == "Paris, [MASK] [MASK]国 [MASK]."
    assert with_masks(pretrainer, text, []) == text
    with pytest.raises(InputError, match="press Go"):
        with_masks(pretrainer, "Paris", ["17-23"])
    assert len(clickable_words(pretrainer, "a " * 10_000)) == 120


def test_tokens_show_pieces_under_words_and_count_the_unknown(pretrainer):
    page = checked(answered(token_answer, pretrainer, "Capitals xyzzy 中国 [MASK]"))
    assert "5 words, 6 tokens, 1 of them unknown" in page.text
    words = [attributes for tag, attributes in page.elements if attributes.get("class") == "mlm-word"]
    assert len(words) == 5
    assert "Capitals" in page.text and "capital" in page.text and "##s" in page.text
    assert sum("mlm-unknown" in attributes.get("class", "") for _, attributes in page.elements) == 1


def test_masking_shows_every_strategy_and_follows_the_seed(pretrainer):
    text = "Paris is the capital of France . " * 4
    first, again, other = (answered(masking_answer, pretrainer, text, seed, 0.4) for seed in (3, 3, 4))
    assert first == again != other
    page = checked(first)
    for words in ("token: every piece", "whole word: all pieces", "span: runs of"):
        assert words in page.text
    assert page.text.count(" of 30 tokens") == 3


def test_it_says_what_a_word_is_in_chinese(pretrainer, monkeypatch):
    pairs = Annotator("pairs 1", lambda texts: ([["中国", "的"] for _ in texts], None))
    monkeypatch.setattr(token_answers, "chinese_annotator", lambda: pairs)
    assert "Words of pairs 1" in (text := checked(answered(masking_answer, pretrainer, "中国的")).text)
    assert "中国 · 的" in text

    def absent():
        raise InputError("rjieba is missing")

    monkeypatch.setattr(token_answers, "chinese_annotator", absent)
    text = checked(answered(masking_answer, pretrainer, "中国的")).text
    assert "masked as a word of its own: rjieba is missing" in text


def test_the_attention_picture_is_an_image_that_keeps_its_letters(pretrainer):
    for text in ("", " ", "[MASK] " * 10_000):
        assert checked(answered(attention_answer, pretrainer, text)).elements[1][1]["role"] == "alert"
    page = checked(answered(attention_answer, pretrainer, "中国 is <i> & $ a $", 1, 0, True))
    ((_, image),) = [entry for entry in page.elements if entry[0] == "img"]
    svg = base64.b64decode(image["src"].partition(",")[2]).decode()
    root = ElementTree.fromstring(svg)
    written = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert written.count("中") == 2 and written.count("$") == 4, "as text, which the browser's fonts draw"
    assert not re.search(r"<script|xlink:href=\"http|@import", svg)
    assert image["alt"].startswith("layer 1, head 0, where each token looks most: [CLS] at ")


@pytest.mark.parametrize(("layer", "head"), [(None, None), (1, None)])
def test_all_layers_and_heads_can_be_seen_at_once(pretrainer, layer, head):
    assert "img" in [tag for tag, _ in checked(answered(attention_answer, pretrainer, TEXT, layer, head)).elements]


def test_b_follows_a_as_the_model_says(pretrainer):
    tokens = ["[CLS]", "paris", "is", "the", "capital", ".", "[SEP]", "a", "b", "[SEP]"]
    ids = np.array([[pretrainer.tokenizer.token_to_id(token) for token in tokens]])
    inputs = {
        "token_ids": ids,
        "segment_ids": np.array([[0] * 7 + [1] * 3]),
        "padding_mask": ids >= 0,
        "mask_positions": np.zeros((1, 1), int),
    }
    logits = keras.ops.convert_to_numpy(pretrainer(inputs)["next_sentence"])[0].astype("float64")
    follows = float(np.exp(logits[0]) / np.exp(logits).sum())
    page = checked(answered(next_sentence_answer, pretrainer, "Paris is the capital .", "a b"))
    assert re.search(rf"B follows A{follows:.1%}B does not{1 - follows:.1%}", page.text)
    assert ("is_next" in page.text) == (follows >= 0.5)


def test_classes_and_tags_are_the_models_and_their_names_are_escaped(classifier, tagger):
    probabilities = classifier.predict_texts(["Paris is a"]).probabilities[0]
    page = checked(answered(class_answer, classifier, "Paris is a"))
    for name, probability in zip(classifier.classes, probabilities, strict=True):
        assert name in page.text and f"{probability:.1%}" in page.text
    text = "Paris is the capital of France"
    (spans,) = tagger.predict_texts([text])
    assert spans
    page = checked(answered(tag_answer, tagger, text))
    assert f"{len(spans)} entities found" in page.text
    marks = [attributes["title"].rpartition(" ")[0] for tag, attributes in page.elements if tag == "mark"]
    assert marks == [span.label for span in spans]


def test_a_model_is_only_asked_what_it_can_answer(pretrainer, without_pairs, without_tokenizer, classifier, tagger):
    for function, model, arguments, words in (
        (mask_answer, classifier, (TEXT,), "fills no masks"),
        (tag_answer, pretrainer, (TEXT,), "no tagger"),
        (class_answer, tagger, (TEXT,), "no classifier"),
        (next_sentence_answer, without_pairs, (TEXT, TEXT), "no next-sentence head"),
        (next_sentence_answer, pretrainer, (TEXT, " "), "type both"),
        (mask_answer, without_tokenizer, (TEXT,), "no tokenizer"),
        (token_answer, without_tokenizer, (TEXT,), "no tokenizer"),
        (attention_answer, without_tokenizer, (TEXT,), "no tokenizer"),
        (mask_answer, pretrainer, ("Paris",), "tick a word, or type [MASK]"),
        (mask_answer, pretrainer, ("[MASK] " * 10_000,), "10000 tokens, more than the 46"),
        (attention_answer, pretrainer, (TEXT, 7, 0), "layers 0 to 1, not 7"),
    ):
        page = checked(answered(function, model, *arguments))
        assert words in page.text
        assert page.elements[1][1]["role"] == "alert"


def test_a_small_model_is_called_small(pretrainer, tagger):
    metrics = {"masked_lm_accuracy": 0.31, "next_sentence_accuracy": 0.55}
    page = checked(page_html(LoadedModel(f"saved/{SCRIPT}", pretrainer, metrics).about()))
    for words in ("small model", "31% right", "55% of held-out pairs", SCRIPT):
        assert words in page.text
    assert "tagger of words" in checked(page_html(LoadedModel("ner", tagger, {}).about())).text
