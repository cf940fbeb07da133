from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.models.fine_tuned_model import FineTunedModel


class TextPredictions(NamedTuple):
    """What a classifier says about texts.

    Args:
        labels: list of str, the most probable class of each text.
        probabilities: float32 array `(batch, classes)`, in the order of the model's `classes`.
    """

    labels: list[str]
    probabilities: np.ndarray


@keras.saving.register_keras_serializable(package="keras_mlm")
class BertTextClassifier(FineTunedModel):
    """A BERT that puts a text, or a pair of texts, into one of several classes.

    `compile(optimizer)` and `fit(dataset)` is all it takes, see `FineTunedModel`. Texts longer than `length` tokens are
    cut at their end, of a pair the longer one first. New models start from a pre-trained one with `from_encoder`, or
    from random weights.

    Args:
        config: `BertConfig`, the architecture of the encoder.
        classes: sequence of str, names of the classes.
        tokenizer: `WordPieceTokenizer`. Defaults to `None`, no text methods.
        length: int, the longest row in tokens, special tokens included. Defaults to the encoder's.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Call arguments:
        inputs: dict with `"token_ids"`, `"segment_ids"`, `"padding_mask"` `(batch, length)`.

    Returns:
        Logits `(batch, classes)`.

    Example:
        ```python
        model = BertTextClassifier.from_encoder(load_model("saved_models/news"), ["sport", "politics"], length=128)
        model.compile(keras.optimizers.AdamW(1e-4))
        model.fit(labelled_batches(model.encode(texts), model.class_numbers(labels)), epochs=3)
        model.predict_texts(["They won the cup ."]).labels
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), section 4.1
    """

    pooled = True

    def __init__(self, config: Any, classes: Sequence[str], tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(config, classes, tokenizer, **{"name": "bert_text_classifier", **kwargs})

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[dict[str, np.ndarray]]:
        """Return texts or pairs of texts as rows of ids.

        Args:
            texts: sequence of str, or of tuples of two str.

        Returns:
            List of dicts with `token_ids` and `segment_ids` (0 for the first text and its special tokens, 1 for the
            second), int32 `(tokens,)`.
        """
        if self.tokenizer is None:
            raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")
        parts = [(text,) if isinstance(text, str) else text for text in texts]
        if not parts:
            return []
        width = len(parts[0])
        if width > 2 or any(len(part) != width for part in parts):
            raise InputError("texts are either all single texts or all pairs of texts")
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        columns = [_split(self.tokenizer.tokenize(list(column))) for column in zip(*parts, strict=True)]
        rows = []
        for pieces in zip(*columns, strict=True):
            kept = _cut([len(piece) for piece in pieces], self.length - 1 - width)
            token_ids, segment_ids = [np.array([cls])], [np.array([0])]
            for segment, (piece, count) in enumerate(zip(pieces, kept, strict=True)):
                token_ids += [piece[:count], np.array([sep])]
                segment_ids.append(np.full(count + 1, segment))
            rows.append(
                {
                    "token_ids": np.concatenate(token_ids).astype("int32"),
                    "segment_ids": np.concatenate(segment_ids).astype("int32"),
                }
            )
        return rows

    def predict_texts(self, texts: str | Sequence[str | tuple[str, str]]) -> TextPredictions:
        """Return the most probable class of every text, and the probabilities of all classes.

        Args:
            texts: str, or sequence of str or of pairs of str.

        Returns:
            `TextPredictions` of `labels`, list of str, and `probabilities`, float32 `(batch, classes)`.

        Example:
            ```python
            labels, probabilities = model.predict_texts(["They won the cup .", "The bill was passed ."])
            ```
        """
        rows = self.encode([texts] if isinstance(texts, str) else list(texts))
        if not rows:
            return TextPredictions([], np.zeros((0, len(self.classes)), "float32"))
        logits = np.stack(self.logits(rows))
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = shares / shares.sum(axis=1, keepdims=True)
        return TextPredictions([self.classes[number] for number in probabilities.argmax(axis=1)], probabilities)


def _split(ragged: Any) -> list[np.ndarray]:
    return np.split(np.asarray(ragged.values), np.asarray(ragged.row_splits)[1:-1])


def _cut(lengths: Sequence[int], room: int) -> list[int]:
    """Return how many tokens of one or two segments are kept: the longer one is cut until both are equally long."""
    if len(lengths) == 1:
        return [min(lengths[0], room)]
    first, second = lengths
    return [min(first, max(room - second, room - room // 2)), min(second, max(room - first, room // 2))]
