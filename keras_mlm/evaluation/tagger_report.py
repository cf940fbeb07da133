"""What a tagger gets right and wrong: scores, a table a class, the confusions and the errors worth reading."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.text_table import text_table
from keras_mlm.training.tagging_metrics import seqeval_metrics, tagging_figures

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


def _class_table(truth: Sequence[list[str]], tags: Sequence[list[str]], spans: bool) -> str:
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
    rows = [
        [name, *(f"{value:.3f}" for value in values[:3]), int(values[3])]
        for name, *values in zip(names, *columns, strict=True)
    ]
    rows.sort(key=lambda row: (row[3], str(row[0])))
    return text_table(["type" if spans else "tag", "precision", "recall", "F1", "spans" if spans else "words"], rows)


def _confident_errors(sentences: Sequence["TaggedWords"], answer: "WordPredictions", most: int = 10) -> str:
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
        rows.append([f"{sure:.1%}", tag, sentence.tags[place], str(sentence.lines[place]), text])
    return text_table(["sure", "answer", "tag", "line", "the word among others"], rows)


def write_predictions(path: str, sentences: Sequence["TaggedWords"], tags: Sequence[list[str]]) -> None:
    """Write word, tag and predicted tag in columns, a blank line between sentences, as the CoNLL evaluation reads them.

    Args:
        path: str, local or remote TSV file.
        sentences: sequence of `TaggedWords`.
        tags: sequence of lists of str, the predicted tags.
    """
    with tf.io.gfile.GFile(path + ".partial", "w") as file:
        for sentence, predicted in zip(sentences, tags, strict=True):
            rows = zip(sentence.words, sentence.tags, predicted, strict=True)
            file.write("".join("\t".join(cells) + "\n" for cells in rows) + "\n")
    tf.io.gfile.rename(path + ".partial", path, overwrite=True)
