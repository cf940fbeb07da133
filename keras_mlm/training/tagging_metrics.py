"""How well words are tagged: accuracy, and the spans as the CoNLL evaluation counts them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mlm.errors import InputError


def tagging_figures(
    truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, spans: bool
) -> dict[str, float]:
    """Return `accuracy` and, of tags that spell spans, `precision`, `recall` and `f1` of whole spans with their types.

    Args:
        truth: sequence of sequences of str, the true tags of each sentence.
        predicted: sequence of sequences of str, as many.
        spans: bool, whether the tags spell spans.

    Returns:
        Dict of str to float, shares of 1; the figures of spans are seqeval's.

    Raises:
        InputError: spans are to be counted and seqeval is not installed.

    Example:
        ```python
        tagging_figures([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]], spans=True)["f1"]  # 0.0
        ```

    References:
        - [seqeval](https://github.com/chakki-works/seqeval)
    """
    right = [one == other for a, b in zip(truth, predicted, strict=True) for one, other in zip(a, b, strict=True)]
    figures = {"accuracy": float(np.mean(right))}
    if not spans:
        return figures
    count = seqeval_metrics().sequence_labeling.precision_recall_fscore_support
    truth, predicted = [list(tags) for tags in truth], [list(tags) for tags in predicted]
    precision, recall, f1, _ = count(truth, predicted, average="micro", zero_division=0)
    return {**figures, "precision": float(precision), "recall": float(recall), "f1": float(f1)}


def seqeval_metrics() -> Any:
    """Return `seqeval.metrics`. Raises `InputError` where it is not installed."""
    try:
        import seqeval.metrics
    except ImportError:
        raise InputError("counting entities needs seqeval: pip install 'keras-mlm[finetune]'") from None
    return seqeval.metrics
