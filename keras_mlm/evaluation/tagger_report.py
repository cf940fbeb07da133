"""What a tagger gets right and wrong: scores, a table a class, the confusions and the errors worth reading."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.evaluation.classifier_report import confusion_cells
from keras_mlm.text_table import text_table
from keras_mlm.training.tagging_metrics import seqeval_metrics, tagging_figures
from keras_mlm.whole_file import write_whole

if TYPE_CHECKING:
    from keras_mlm.data.tagged_words import TaggedWords
    from keras_mlm.models.bert_token_classifier import BertTokenClassifier, WordPredictions
    from keras_mlm.models.word_windows import WordWindows


def tagger_scores(
    model: "BertTokenClassifier", windows: "WordWindows", tags: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Return the figures of a tagger on sentences; all count words, whatever their pieces.

    Args:
        model: `BertTokenClassifier`.
        windows: `WordWindows`, the sentences as `model.encode_words` gives them.
        tags: sequence of sequences of str, the true tags.

    Returns:
        Dict of `accuracy`, where tags spell spans `precision`, `recall` and `f1` of spans, and `loss`, the mean
        cross-entropy.

    Raises:
        InputError: a tag that the model does not have, or spans are to be counted and seqeval is not installed.

    Example:
        ```python
        windows = model.encode_words(sentences)
        score = lambda: tagger_scores(model, windows, tags)
        model.fit(batches, epochs=20, callbacks=[BestEpoch(score, "f1", patience=4)])
        ```
    """
    logits = model.word_logits(windows)
    numbers = model.class_numbers([tag for of_words in tags for tag in of_words])
    largest = logits.max(axis=1)
    entropy = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)) - logits[range(len(logits)), numbers]
    figures = tagging_figures(tags, model.decode(logits, windows.splits).tags, spans=model.scheme is not None)
    return {**figures, "loss": float(entropy.mean())}


def full_report(
    sentences: Sequence["TaggedWords"], answer: "WordPredictions", *, spans: bool, texts: bool = True
) -> str:
    """Return the table of the classes, the confusions and the most confident errors.

    Args:
        sentences: sequence of `TaggedWords`.
        answer: `WordPredictions` of their words.
        spans: bool, whether tags spell spans.
        texts: bool, whether words are shown. Defaults to `True`.

    Returns:
        A str of several lines.
    """
    truth = [sentence.tags for sentence in sentences]
    parts = [f"the worst first\n{_class_table(truth, answer.tags, spans)}"]
    pairs = Counter(
        pair
        for one, other in zip(truth, answer.tags, strict=True)
        for pair in zip(one, other, strict=True)
        if pair[0] != pair[1]
    )
    if pairs:
        shown = ", ".join(f"{true} as {tag} {count}" for (true, tag), count in pairs.most_common(10))
        parts.append(f"the most frequent confusions of words\n{shown}")
    if pairs and texts:
        parts.append(f"the most confident errors\n{_confident_errors(sentences, answer)}")
    return "\n\n".join(parts)


def answers_record(
    sentences: Sequence["TaggedWords"],
    answer: "WordPredictions",
    classes: Sequence[str],
    *,
    spans: bool,
    texts: bool = True,
) -> dict[str, Any]:
    """Return what `RunFolder.keep` keeps as a run's `answers`, see `classifier_report.answers_record`.

    Args:
        sentences: sequence of `TaggedWords`.
        answer: `WordPredictions` of their words.
        classes: sequence of str, the tags.
        spans: bool, whether tags spell spans; the table is then of their types.
        texts: bool, whether words are kept. Defaults to `True`.

    Returns:
        Dict of plain data; the confusions are of words.
    """
    truth = [sentence.tags for sentence in sentences]
    place = {tag: number for number, tag in enumerate(classes)}
    numbers = [np.array([place[tag] for of_words in of_set for tag in of_words]) for of_set in (truth, answer.tags)]
    return {
        "classes": list(classes),
        "table": _class_rows(truth, answer.tags, spans),
        "errors": _errors(sentences, answer, 30) if texts else [],
        "confusion": confusion_cells(*numbers),
    }


def _class_table(truth: Sequence[list[str]], tags: Sequence[list[str]], spans: bool) -> str:
    rows = [
        [name, *(f"{value:.3f}" for value in values), count] for name, *values, count in _class_rows(truth, tags, spans)
    ]
    return text_table(["type" if spans else "tag", "precision", "recall", "F1", "spans" if spans else "words"], rows)


def _class_rows(truth: Sequence[list[str]], tags: Sequence[list[str]], spans: bool) -> list[list[Any]]:
    if spans:
        names = sorted({tag[2:] for of_words in [*truth, *tags] for tag in of_words if len(tag) > 1})
        count = seqeval_metrics().sequence_labeling.precision_recall_fscore_support
        columns = count(list(truth), list(tags), average=None, zero_division=0) if names else [[]] * 4
    else:
        try:
            from sklearn.metrics import precision_recall_fscore_support
        except ImportError:
            raise InputError("the report needs scikit-learn: pip install 'keras-mlm[finetune]'") from None
        flat = [[tag for of_words in of_set for tag in of_words] for of_set in (truth, tags)]
        names = sorted({*flat[0], *flat[1]})
        columns = precision_recall_fscore_support(*flat, labels=names, average=None, zero_division=0)
    rows = [[name, *map(float, values[:3]), int(values[3])] for name, *values in zip(names, *columns, strict=True)]
    return sorted(rows, key=lambda row: (round(row[3], 3), str(row[0])))


def _confident_errors(sentences: Sequence["TaggedWords"], answer: "WordPredictions", most: int = 10) -> str:
    rows = [
        [f"{error['sure']:.1%}", error["answer"], error["label"], str(error["line"]), error["text"]]
        for error in _errors(sentences, answer, most)
    ]
    return text_table(["sure", "answer", "tag", "line", "the word among others"], rows)


def _errors(sentences: Sequence["TaggedWords"], answer: "WordPredictions", most: int) -> list[dict[str, Any]]:
    found: list[tuple[float, Any, int, str]] = []
    for sentence, tags, scores in zip(sentences, *answer, strict=True):
        found += [
            (float(scores[place]), sentence, place, tag)
            for place, tag in enumerate(tags)
            if tag != sentence.tags[place]
        ]
    rows = []
    for sure, sentence, place, tag in sorted(found, key=lambda error: -error[0])[:most]:
        before, after = sentence.words[max(0, place - 5) : place], sentence.words[place + 1 : place + 6]
        text = " ".join([*before, f"[{sentence.words[place]}]", *after])
        line = int(sentence.lines[place])
        rows.append({"sure": sure, "answer": tag, "label": sentence.tags[place], "line": line, "text": text})
    return rows


def write_predictions(path: str, sentences: Sequence["TaggedWords"], tags: Sequence[list[str]]) -> None:
    """Write word, tag and predicted tag in columns, a blank line between sentences, as the CoNLL evaluation reads them.

    Args:
        path: str, local or remote TSV file.
        sentences: sequence of `TaggedWords`.
        tags: sequence of lists of str, the predicted tags.
    """
    lines = []
    for sentence, predicted in zip(sentences, tags, strict=True):
        rows = zip(sentence.words, sentence.tags, predicted, strict=True)
        lines.append("".join("\t".join(cells) + "\n" for cells in rows) + "\n")
    write_whole(path, "".join(lines))
