"""Holds every exported artefact against the Keras model: the same answers, how large, how fast."""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.export.artefacts import artefacts
from keras_mlm.export.classify_question import ClassifyQuestion
from keras_mlm.export.fill_mask_question import FillMaskQuestion, masked_texts
from keras_mlm.export.question import Answers, Ask, Question
from keras_mlm.export.tag_question import TagQuestion

BATCH = 32


def verify_export(
    folder: str, model: Any, texts: Sequence[Any], labels: Sequence[Any] | None = None, *, seconds: float = 1.0
) -> list[dict[str, Any]]:
    """Compare each artefact of an export folder with the Keras model.

    A pre-trained model is asked for one word that is masked in each text, a classifier for the class of each, a tagger
    for the tags of its words.

    Args:
        folder: str, where the numbered folders are.
        model: the model that was exported.
        texts: sequence of str, such as the export will get; for a classifier of pairs tuples of two str; for a tagger
            with labels lists of words.
        labels: sequence of str, the class of each text, for a classifier; of sequences of str for a multi-label one,
            and for a tagger, the tag of each word. Defaults to `None`, not known.
        seconds: float, how long each speed is measured. Defaults to `1.0`.

    Returns:
        A list of dicts, the Keras model's first, then one an artefact: `name`; `megabytes`; `load_seconds`;
        `first_seconds`, the first answer's; `difference`, the largest of all probabilities and vectors; `same_first`,
        the share of answers that are the Keras model's; `right`, the share that is right, `None` where that is not
        known; `truncated`, a share; `milliseconds` of one text; `texts_per_second` of 32 together.

    Raises:
        InputError: no text has a word that could be masked, there is no export, or labels do not fit the model.
    """
    asked, question_of = _asked(model, list(texts), labels)
    singles = [
        text[0] if isinstance(text, tuple) else " ".join([text] if isinstance(text, str) else text) for text in texts
    ]
    rows: list[dict[str, Any]] = []
    own: dict[int, tuple[Question, Answers, np.ndarray]] = {}
    for artefact in artefacts(folder):
        if artefact.length not in own:
            question = question_of(artefact.length)
            answers, vectors = _all(question.own, asked), _all(question.own_vectors, singles)["mean_pooled"]
            own[artefact.length] = (question, answers, vectors)
            if not rows:
                rows.append(
                    {"name": "Keras model", "megabytes": 4 * model.count_params() / 1e6, "load_seconds": None,
                     "first_seconds": None, "difference": 0.0, "same_first": 1.0, "right": question.right(answers),
                     "truncated": float(answers["truncated"].mean()), **_speed(question.own, asked, seconds)}
                )  # fmt: skip
        question, answers, vectors = own[artefact.length]
        begun = time.perf_counter()
        ask, embed = artefact.open(question)
        loaded = time.perf_counter()
        ask(asked[:1])
        first = time.perf_counter()
        found, found_vectors = _all(ask, asked), _all(embed, singles)["mean_pooled"]
        difference = max(question.difference(found, answers), float(np.abs(found_vectors - vectors).max()))
        rows.append(
            {"name": artefact.name, "megabytes": artefact.bytes / 1e6, "load_seconds": loaded - begun,
             "first_seconds": first - loaded, "difference": difference, "same_first": question.same(found, answers),
             "right": question.right(found), "truncated": float(found["truncated"].mean()),
             **_speed(ask, asked, seconds)}
        )  # fmt: skip
    return rows


def _asked(model: Any, texts: list[Any], labels: Sequence[Any] | None) -> tuple[list[Any], Callable[[int], Question]]:
    """What is asked, and the question for rows of a length."""
    if not texts:
        raise InputError("there is no text to ask about: give some")
    if type(model).__name__ == "BertTextClassifier":
        pairs = not isinstance(texts[0], str)
        truth = None if labels is None else model.class_numbers(labels)
        return texts, lambda length: ClassifyQuestion(model, length, pairs, truth)
    if type(model).__name__ == "BertTokenClassifier":
        if labels is None:
            counts = model.tokenizer.words(texts).word_counts
            texts = [text for text, count in zip(texts, counts, strict=True) if count]
            return texts, lambda length: TagQuestion(model, length, texts, None)
        model.class_numbers([tag for tags in labels for tag in tags])  # refuses those that it does not have
        joined = [" ".join(words) for words in texts]
        truth = [_places(words, tags) for words, tags in zip(texts, labels, strict=True)]
        return joined, lambda length: TagQuestion(model, length, joined, truth)
    if labels is not None:
        raise InputError(f"a {type(model).__name__} has no classes to compare labels with: leave them out")
    masked, answers = masked_texts(model.tokenizer, texts)
    return masked, lambda length: FillMaskQuestion(model, length, answers)


def _places(words: Sequence[str], tags: Sequence[str]) -> list[tuple[int, str]]:
    """Where each word begins when spaces are put between them, and its tag."""
    starts = itertools.accumulate((len(word) + 1 for word in words[:-1]), initial=0)
    return list(zip(starts, tags, strict=True))


def _all(call: Ask, texts: list[Any]) -> Answers:
    batches = [call(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    names = {"candidate_ids", "scores", "probabilities", "class_ids", "truncated", "mean_pooled"} & set(batches[0])
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def _speed(call: Ask, texts: list[Any], seconds: float) -> dict[str, float]:
    many = [texts[number % len(texts)] for number in range(BATCH)]
    return {
        "milliseconds": 1000 * _median_seconds(lambda number: call([texts[number % len(texts)]]), seconds),
        "texts_per_second": BATCH / _median_seconds(lambda number: call(many), seconds),
    }


def _median_seconds(call: Callable[[int], Any], seconds: float) -> float:
    call(0)
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        begun = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
