"""How well words are tagged: accuracy, and the spans as the CoNLL evaluation counts them, in the logs of `fit`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_mlm.errors import InputError


class TaggingMetrics(keras.callbacks.Callback):
    """Add the figures of held-out sentences to the logs of every epoch.

    They are `val_loss`, `val_accuracy` and, where tags spell spans, `val_precision`, `val_recall` and `val_f1`; all
    count words, whatever their pieces. It stands before the callbacks that watch them, such as `EarlyStopping`.

    Args:
        sentences: sequence of sequences of str, words.
        tags: sequence of sequences of str, the true tags.
        prefix: str, in front of the names. Defaults to `"val_"`.

    Example:
        ```python
        stop = keras.callbacks.EarlyStopping("val_f1", mode="max", patience=3, restore_best_weights=True)
        model.fit(batches, epochs=20, callbacks=[TaggingMetrics(sentences, tags), stop])
        ```
    """

    def __init__(
        self, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], *, prefix: str = "val_"
    ) -> None:
        super().__init__()
        self.sentences = sentences
        self.tags = [list(of_words) for of_words in tags]
        self.prefix = prefix
        self._windows: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Encode the sentences."""
        if self.model.scheme is not None:
            seqeval_metrics()  # now rather than after an epoch
        self._windows = self.model.encode_words(self.sentences)
        self._numbers = self.model.class_numbers([tag for of_words in self.tags for tag in of_words])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tag the sentences and count."""
        if logs is None:
            return
        logits = self.model.word_logits(self._windows)
        found = self.model.decode(logits, self._windows.splits)
        largest = logits.max(axis=1)
        entropy = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
        loss = float((entropy - logits[np.arange(len(logits)), self._numbers]).mean())
        figures = {"loss": loss, **tagging_figures(self.tags, found.tags, spans=self.model.scheme is not None)}
        logs.update({self.prefix + name: value for name, value in figures.items()})


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
    metrics = seqeval_metrics()
    truth, predicted = [list(tags) for tags in truth], [list(tags) for tags in predicted]
    precision, recall, f1, _ = metrics.sequence_labeling.precision_recall_fscore_support(
        truth, predicted, average="micro", zero_division=0
    )
    return {**figures, "precision": float(precision), "recall": float(recall), "f1": float(f1)}


def seqeval_metrics() -> Any:
    """Return `seqeval.metrics`. Raises `InputError` where it is not installed."""
    try:
        import seqeval.metrics
    except ImportError:
        raise InputError("counting entities needs seqeval: pip install 'keras-mlm[finetune]'") from None
    return seqeval.metrics
