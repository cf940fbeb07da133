"""What a classifier gets right and wrong: scores, a table a class, its most confident errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.text_table import text_table
from keras_mlm.whole_file import write_whole

EXTRA = "the report needs scikit-learn and matplotlib: pip install 'keras-mlm[finetune]'"


def classifier_scores(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the figures of some answers.

    Args:
        truth: class numbers, int `(texts,)`; or float `(texts, classes)`, 1 for each class that a text has.
        probabilities: float `(texts, classes)`.

    Returns:
        Dict of `accuracy`, where texts may have several classes the share with every class told right, `macro_f1`, the
        mean F1 of the classes, `loss`, the mean cross-entropy, and where texts may have several classes `micro_f1`, the
        F1 of all answers together.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.metrics import f1_score
    except ImportError:
        raise InputError(EXTRA) from None

    several = np.ndim(truth) == 2
    answers: Any = probabilities > 0.5 if several else probabilities.argmax(axis=1)
    truth = truth > 0 if several else truth
    given_truth = (
        np.where(truth, probabilities, 1 - probabilities) if several else probabilities[range(len(truth)), truth]
    )
    right = (answers == truth).all(axis=1) if several else answers == truth
    scores = {
        "accuracy": float(right.mean()),
        "macro_f1": float(f1_score(truth, answers, average="macro", zero_division=0.0)),
        "loss": float(-np.log(np.maximum(given_truth, 1e-12)).mean()),
    }
    if several:
        scores["micro_f1"] = float(f1_score(truth, answers, average="micro", zero_division=0.0))
    return scores


def full_report(classes: Sequence[str], truth: np.ndarray, probabilities: np.ndarray, texts: Sequence[Any] = ()) -> str:
    """Return the table of the classes and, of some texts, the most confident errors; arguments as below."""
    shown = f"the worst classes first\n{class_table(classes, truth, probabilities)}"
    errors = confident_errors(classes, truth, probabilities, texts) if texts else ""
    return f"{shown}\n\nthe most confident errors\n{errors}" if errors else shown


def class_table(classes: Sequence[str], truth: np.ndarray, probabilities: np.ndarray) -> str:
    """Return precision, recall and F1 of every class as a table, the worst F1 first; arguments as below."""
    rows = [
        [name, *(f"{value:.3f}" for value in values), count]
        for name, *values, count in _class_rows(classes, truth, probabilities)
    ]
    return text_table(["class", "precision", "recall", "F1", "examples"], rows)


def answers_record(
    classes: Sequence[str], truth: np.ndarray, probabilities: np.ndarray, texts: Sequence[Any] = ()
) -> dict[str, Any]:
    """Return what `RunFolder.keep` keeps as a run's `answers`, for its report; arguments as below.

    Returns:
        Dict of plain data: `classes`, `table` (name, precision, recall, F1 and examples of each, the worst first),
        `errors` (dicts of `sure`, `answer`, `label` and `text`; none without texts), and where a text has one class
        `confusion` (true class, answered class, count).
    """
    record = {
        "classes": list(classes),
        "table": _class_rows(classes, truth, probabilities),
        "errors": _errors(classes, truth, probabilities, texts, 30) if len(texts) else [],
    }
    if np.ndim(truth) == 1:
        record["confusion"] = confusion_cells(truth, probabilities.argmax(axis=1))
    return record


def confusion_cells(truth: np.ndarray, answers: np.ndarray) -> list[list[int]]:
    """Return (true class, answered class, count) of all pairs that there are; both are numbers of classes."""
    pairs, counts = np.unique(np.stack([truth, answers]), axis=1, return_counts=True)
    return [[int(row), int(column), int(count)] for (row, column), count in zip(pairs.T, counts, strict=True)]


def _class_rows(classes: Sequence[str], truth: np.ndarray, probabilities: np.ndarray) -> list[list[Any]]:
    from sklearn.metrics import precision_recall_fscore_support

    several = np.ndim(truth) == 2
    answers: Any = probabilities > 0.5 if several else probabilities.argmax(axis=1)
    columns = precision_recall_fscore_support(
        truth > 0 if several else truth, answers, labels=range(len(classes)), zero_division=0.0
    )
    rows = [[name, *map(float, values[:3]), int(values[3])] for name, *values in zip(classes, *columns, strict=True)]
    return sorted(rows, key=lambda row: (round(row[3], 3), str(row[0])))


def confident_errors(
    classes: Sequence[str], truth: np.ndarray, probabilities: np.ndarray, texts: Sequence[Any], count: int = 10
) -> str:
    """Return the errors that the model was surest of as a table: they show wrong labels, and what it does not know.

    Args:
        classes: sequence of str, names of the classes.
        truth: as in `classifier_scores`.
        probabilities: float `(texts, classes)`.
        texts: sequence of str or of pairs of str.
        count: int, the most rows. Defaults to `10`.

    Returns:
        A str; empty where there are no errors.
    """
    rows = [
        [f"{error['sure']:.1%}", error["answer"], error["label"], _short(error["text"])]
        for error in _errors(classes, truth, probabilities, texts, count)
    ]
    return text_table(["sure", "answer", "label", "text"], rows) if rows else ""


def _errors(
    classes: Sequence[str], truth: np.ndarray, probabilities: np.ndarray, texts: Sequence[Any], count: int
) -> list[dict[str, Any]]:
    if np.ndim(truth) == 2:
        wrong = np.where(truth > 0, 1 - probabilities, probabilities)
        places = [divmod(place, len(classes)) for place in np.argsort(-wrong, axis=None, kind="stable")]
        found = [
            (row, f"not {classes[column]}" if truth[row, column] > 0 else classes[column], wrong[row, column])
            for row, column in places
            if wrong[row, column] > 0.5
        ][:count]
        said = [", ".join(np.array(classes, object)[truth[row] > 0]) for row, _, _ in found]
    else:
        answers, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
        order = [row for row in np.argsort(-sure, kind="stable") if answers[row] != truth[row]][:count]
        found = [(row, classes[answers[row]], sure[row]) for row in order]
        said = [classes[truth[row]] for row in order]
    return [
        {"sure": float(share), "answer": answer, "label": label, "text": _short(texts[row], 300)}
        for (row, answer, share), label in zip(found, said, strict=True)
    ]


def write_predictions(path: str, examples: Sequence[Any], answer: Any, separator: str | None = None) -> None:
    """Write a line an example: label, answer, and the probability of the answer, or of the least sure of several.

    Args:
        path: str, local or remote TSV file.
        examples: sequence of `LabelledText`.
        answer: `TextPredictions` of their texts.
        separator: str, what stands between labels where there may be several. Defaults to `None`.
    """
    lines = []
    for example, labels, shares in zip(examples, answer.labels, answer.probabilities, strict=True):
        if separator is None:
            label, guess, sure = example.label, labels, shares.max()
        else:
            label, guess = separator.join(example.labels), separator.join(labels)
            sure = np.maximum(shares, 1 - shares).min()
        lines.append(f"{label}\t{guess}\t{sure:.4f}\n")
    write_whole(path, "".join(lines))


def _short(text: str | Sequence[str], width: int = 100) -> str:
    text = " ".join((text if isinstance(text, str) else " ▶ ".join(text)).split())
    return text if len(text) <= width else text[: width - 1] + "…"
