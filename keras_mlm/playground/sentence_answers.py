"""Answers about whole texts: does B follow A, which class, which entities."""

from typing import Any

import numpy as np
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.playground.elements import Bar, bars, check_typed, percent, quiet, unsure
from keras_mlm.report.element import Element, element
from keras_mlm.visualize.text_row import text_row

_MOST_CLASSES = 12
# Characters of a text that a tagger is shown at work on.
_TAGGED = 5_000
_COLOURS = 8
_HALF = 0.5


def next_sentence_answer(model: Any, first: str, second: str) -> Element:
    """Return how probable it is that one text follows another.

    Args:
        model: `BertPretrainer` with a tokenizer and a next-sentence head.
        first: str, text A.
        second: str, text B.

    Returns:
        An `Element`.

    Raises:
        InputError: a model without that head, or a text that is empty or too long.
    """
    if not isinstance(model, BertPretrainer) or model.next_sentence_head is None:
        raise InputError("this model has no next-sentence head: it was trained without sentence pairs, or fine-tuned")
    if not first.strip() or not second.strip():
        raise InputError("two texts are needed, A and B: type both")
    row = text_row(model, (first, second))
    logits = model({**row.inputs, "mask_positions": np.zeros((1, 1), "int32")}, training=False)["next_sentence"]
    follows = float(ops.convert_to_numpy(ops.softmax(ops.cast(logits, "float32")))[0, 0])
    verdict = "is_next: B follows A" if follows >= _HALF else "not_next: B does not follow A"
    parts = [element("p", element("strong", verdict))]
    if 0.2 < follows < 0.8:
        parts.append(unsure("It is unsure here: one half would be a coin."))
    parts.append(bars("what the model says", [Bar("B follows A", follows), Bar("B does not", 1 - follows)]))
    return element("div", parts)


def class_answer(model: Any, text: str, second: str = "") -> Element:
    """Return the most probable classes of a text, or of a pair of texts.

    Args:
        model: `BertTextClassifier` with a tokenizer.
        text: str of any length; what the model makes of long ones is its own rule.
        second: str, the other text of a pair. Defaults to `""`, a single text.

    Returns:
        An `Element`.

    Raises:
        InputError: another kind of model, or an empty text.
    """
    if not isinstance(model, BertTextClassifier):
        raise InputError("this model is no classifier: recipes/finetune_classifier.py makes one of it")
    check_typed(text)
    labels, probabilities = model.predict_texts([(text, second) if second.strip() else text])
    order = np.argsort(-probabilities[0], kind="stable")
    best = float(probabilities[0, order[0]])
    if model.multi_label:
        verdict = ", ".join(labels[0]) or "none of the classes"
        doubtful = bool((np.abs(probabilities[0] - _HALF) < 0.2).any())
    else:
        verdict, doubtful = labels[0], best < max(_HALF, 1.5 / len(model.classes))
    parts = [element("p", element("strong", element("bdi", verdict)))]
    if doubtful:
        parts.append(unsure(f"It is unsure here: the most probable class has {percent(best)}."))
    rows = [Bar(model.classes[number], float(probabilities[0, number])) for number in order[:_MOST_CLASSES]]
    parts.append(bars("probability of each class", rows))
    if len(order) > _MOST_CLASSES:
        parts.append(quiet(f"{len(order) - _MOST_CLASSES} more classes are less probable than these."))
    return element("div", parts)


def tag_answer(model: Any, text: str) -> Element:
    """Return a text with its entities, or its words and their tags, highlighted.

    Args:
        model: `BertTokenClassifier` with a tokenizer.
        text: str; of a long one the first 5,000 characters are tagged.

    Returns:
        An `Element`.

    Raises:
        InputError: another kind of model, or an empty text.
    """
    if not isinstance(model, BertTokenClassifier):
        raise InputError("this model is no tagger: recipes/finetune_tagger.py makes one of it")
    check_typed(text)
    shown = text[:_TAGGED]
    (spans,) = model.predict_texts([shown])
    kinds = sorted({name.split("-", 1)[-1] for name in model.classes})
    marked: list[Any] = []
    end = 0
    for span in spans:
        doubtful = " mlm-doubtful" if span.score < _HALF else ""
        colour = f"mlm-c{kinds.index(span.label) % _COLOURS}" if span.label in kinds else "mlm-c0"
        marked += [
            shown[end : span.start],
            element("mark", element("bdi", span.text), " ", element("small", span.label), class_=colour + doubtful,
                    title=f"{span.label} {percent(span.score)}"),
        ]  # fmt: skip
        end = span.end
    marked.append(shown[end:])
    what = "entities" if model.scheme is not None else "words"
    parts = [element("p", marked, dir="auto"), quiet(f"{len(spans)} {what} found.")]
    doubtful_spans = sum(span.score < _HALF for span in spans)
    if doubtful_spans:
        parts.append(unsure(f"It is unsure of {doubtful_spans} of them, below one half; these have a dashed frame."))
    if len(shown) < len(text):
        parts.append(quiet(f"Only the first {_TAGGED:,} of {len(text):,} characters are tagged."))
    return element("div", parts)
