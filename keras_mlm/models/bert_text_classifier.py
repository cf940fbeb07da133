import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.losses import binary_cross_entropy_sums
from keras_mlm.metrics import exact_match_sums
from keras_mlm.models.fine_tuned_model import FineTunedModel
from keras_mlm.row_cutting import LONG_TEXT, head_and_tail, kept_lengths, window_starts

# What the dense layer sees: the paper's pooled [CLS], or that beside the mean and the largest value over all tokens.
POOLINGS = {"cls": 1, "cls_mean_max": 3}


class TextPredictions(NamedTuple):
    """What a classifier says about texts.

    Args:
        labels: list of str, the most probable class of each text; of a multi-label model a list of lists of str, every
            class whose probability is above one half.
        probabilities: float32 array `(batch, classes)`, in the order of the model's `classes`.
    """

    labels: Any
    probabilities: np.ndarray


@keras.saving.register_keras_serializable(package="keras_mlm")
class BertTextClassifier(FineTunedModel):
    """A BERT that puts a text, or a pair of texts, into one of several classes, or into any number of them.

    `compile(optimizer)` and `fit(dataset)` is all it takes; logs hold `loss` and `accuracy`, over the global batch of
    all replicas, and labels with a negative class number are ignored. New models start from a pre-trained one with
    `from_encoder`, or from random weights.

    What becomes of texts longer than `length` tokens is the model's own matter, the same in fine-tuning, evaluation and
    prediction. `"truncate"` cuts at the end, of a pair the longer one first. `"head_tail"` keeps the beginning and the
    end of what would be cut, half each. `"windows"` makes rows of `length` tokens that overlap by a quarter; each is an
    example of the weight 1 / windows, so that a text counts once, and a text's logits are the mean of its windows'.

    Args:
        config: `BertConfig`, the architecture of the encoder.
        classes: sequence of str, names of the classes.
        tokenizer: `WordPieceTokenizer`. Defaults to `None`, no text methods.
        length: int, the longest row in tokens, special tokens included. Defaults to the encoder's.
        long_text: `"truncate"`, `"head_tail"` or `"windows"` (single texts only). Defaults to `"truncate"`.
        pooling: `"cls"`, the paper's, or `"cls_mean_max"`, which also has the mean and the largest value over tokens.
            An encoder that was trained for minutes or hours has little in `[CLS]`. Defaults to `"cls"`.
        multi_label: bool, whether a text may have several classes or none: a sigmoid a class instead of one softmax;
            `accuracy` is then the share of texts with every class told right. Defaults to `False`.
        temperature: float above 0 that logits are divided by before they become probabilities; training does not see
            it. Set it to what `fit_temperature` finds for calibrated probabilities. Defaults to `1.0`.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Raises:
        InputError: a value that no classifier has.

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

    def __init__(
        self,
        config: Any,
        classes: Sequence[str],
        tokenizer: Any = None,
        *,
        long_text: str = "truncate",
        pooling: str = "cls",
        multi_label: bool = False,
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        if pooling not in POOLINGS:
            raise InputError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        self.pooling = pooling  # before the weights are created, whose shapes it decides
        super().__init__(config, classes, tokenizer, **{"name": "bert_text_classifier", **kwargs})
        if long_text not in LONG_TEXT:
            raise InputError(f"long_text must be one of {', '.join(LONG_TEXT)}, not {long_text!r}")
        if not isinstance(multi_label, bool):
            raise InputError(f"multi_label must be true or false, not {multi_label!r}")
        number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
        if not number or not math.isfinite(temperature) or temperature <= 0:
            raise InputError(f"temperature must be a number above 0, not {temperature!r}")
        self.long_text = long_text
        self.multi_label = multi_label
        self.temperature = float(temperature)

    @property
    def features_dim(self) -> int:
        """The width of `features`."""
        return POOLINGS[self.pooling] * self.config.hidden_dim

    def features(self, encoded: dict[str, Any], padding_mask: Any) -> Any:
        """Return what the dense layer sees of the encoder's outputs.

        Args:
            encoded: dict, what the encoder returned.
            padding_mask: bool `(batch, length)`, `False` at padding.

        Returns:
            Float tensor `(batch, features_dim)`.
        """
        pooled = super().features(encoded, padding_mask)
        if self.pooling == "cls":
            return pooled
        hidden = encoded["sequence_output"]
        mask = ops.expand_dims(ops.cast(padding_mask, hidden.dtype), -1)
        mean = ops.sum(hidden * mask, axis=1) / ops.sum(mask, axis=1)
        # Far below anything a normalised state has, and within the range of half precision.
        largest = ops.max(hidden * mask - (1 - mask) * 1e4, axis=1)
        return ops.concatenate([pooled, mean, largest], axis=-1)

    def output_positions(self, inputs: dict[str, Any]) -> Any:
        """Return the position of `[CLS]`, which the pooler reads; `None` where all tokens are read.

        Args:
            inputs: dict, those of the encoder.

        Returns:
            Int tensor `(batch, 1)` or `None`.
        """
        return ops.zeros_like(inputs["token_ids"][:, :1]) if self.pooling == "cls" else None

    def label_weights(self, y: Any, sample_weight: Any = None) -> Any:
        """Return what each text counts; 0 where the class number is negative.

        Args:
            y: int `(batch,)`, class numbers; of a multi-label model float `(batch, classes)`.
            sample_weight: float `(batch,)`. Defaults to `None`, 1 each.

        Returns:
            Float32 tensor `(batch,)`.

        Raises:
            InputError: there are no labels.
        """
        return super().label_weights(y[:, 0] if self.multi_label and y is not None else y, sample_weight)

    def loss_sums(self, labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
        """Return Σ w · ce and Σ w of some texts.

        Args:
            labels: int `(batch,)`, class numbers; of a multi-label model float `(batch, classes)`.
            logits: float `(batch, classes)`.
            weights: float32 `(batch,)`, as `label_weights` returns it.

        Returns:
            Two float32 scalars.
        """
        if self.multi_label:
            return binary_cross_entropy_sums(labels, logits, weights)
        return super().loss_sums(labels, logits, weights)

    def accuracy_sums(self, labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
        """Return Σ w · [right] and Σ w of some texts.

        Args:
            labels: int `(batch,)`, class numbers; of a multi-label model float `(batch, classes)`.
            logits: float `(batch, classes)`.
            weights: float32 `(batch,)`, as `label_weights` returns it.

        Returns:
            Two float32 scalars.
        """
        return (exact_match_sums if self.multi_label else super().accuracy_sums)(labels, logits, weights)

    def class_numbers(self, labels: Sequence[Any]) -> np.ndarray:
        """Return names of classes as what `fit` takes.

        Args:
            labels: sequence of str; of a multi-label model a sequence of sequences of str.

        Returns:
            int32 `(batch,)`; of a multi-label model float32 `(batch, classes)`, 1 for each class that a text has.

        Raises:
            InputError: names that the model does not have; the message lists them.
        """
        if not self.multi_label:
            return super().class_numbers(labels)
        numbers = np.zeros((len(labels), len(self.classes)), "float32")
        for row, names in zip(numbers, labels, strict=True):
            row[super().class_numbers(names)] = 1.0
        return numbers

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[dict[str, np.ndarray]]:
        """Return texts or pairs of texts as rows of ids, one a text or, with windows, one or more.

        Args:
            texts: sequence of str, or of tuples of two str.

        Returns:
            List of dicts with `token_ids` and `segment_ids` (0 for the first text and its special tokens, 1 for the
            second), int32 `(tokens,)`, and `text_index`, an int32 scalar, the place of the row's text in `texts`.

        Raises:
            InputError: single texts and pairs together, or pairs for a model with windows.
        """
        self.need_tokenizer()
        parts = [(text,) if isinstance(text, str) else text for text in texts]
        if not parts:
            return []
        width = len(parts[0])
        if width > 2 or any(len(part) != width for part in parts):
            raise InputError("texts are either all single texts or all pairs of texts")
        if width == 2 and self.long_text == "windows":
            raise InputError("windows are for single texts: take head_tail or truncate for pairs")
        columns = [_split(self.tokenizer.tokenize(list(column))) for column in zip(*parts, strict=True)]
        return [
            {**self._row(pieces), "text_index": np.asarray(index, "int32")}
            for index, segments in enumerate(zip(*columns, strict=True))
            for pieces in self._fitting(segments)
        ]

    def _fitting(self, segments: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """Return what goes into the rows of one text or pair, by the model's rule for long texts."""
        room = self.length - 1 - len(segments)
        if self.long_text == "windows":
            starts = window_starts(len(segments[0]), room)
            return [[segments[0][start : start + room]] for start in starts]
        lengths = [len(segment) for segment in segments]
        kept = kept_lengths(lengths[0], lengths[1], room) if len(segments) == 2 else (min(lengths[0], room),)
        if self.long_text == "truncate":
            return [[segment[:count] for segment, count in zip(segments, kept, strict=True)]]
        pieces = []
        for segment, count in zip(segments, kept, strict=True):
            head, tail = head_and_tail(count)
            pieces.append(np.concatenate([segment[:head], segment[len(segment) - tail :]]))
        return [pieces]

    def _row(self, pieces: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        token_ids, segment_ids = [np.array([self.tokenizer.cls_token_id])], [np.array([0])]
        for segment, piece in enumerate(pieces):
            token_ids += [piece, np.array([self.tokenizer.sep_token_id])]
            segment_ids.append(np.full(len(piece) + 1, segment))
        return {
            "token_ids": np.concatenate(token_ids).astype("int32"),
            "segment_ids": np.concatenate(segment_ids).astype("int32"),
        }

    def text_logits(self, rows: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        """Return the logits of encoded texts: means over the windows of each.

        Args:
            rows: sequence of dicts, as `encode` returns them.

        Returns:
            float32 array `(texts, classes)`.
        """
        if not rows:
            return np.zeros((0, len(self.classes)), "float32")
        texts = np.array([row["text_index"] for row in rows])
        sums = np.zeros((texts.max() + 1, len(self.classes)), "float32")
        np.add.at(sums, texts, np.stack(self.logits(rows)))
        return sums / np.bincount(texts)[:, None].astype("float32")

    def predictions(self, logits: np.ndarray) -> TextPredictions:
        """Return what logits of texts say, divided by the temperature first.

        Args:
            logits: float array `(texts, classes)`, as `text_logits` returns it.

        Returns:
            `TextPredictions`.
        """
        scaled = ops.convert_to_tensor(logits / np.float32(self.temperature))
        probabilities = ops.convert_to_numpy((ops.sigmoid if self.multi_label else ops.softmax)(scaled))
        if self.multi_label:
            labels = [[self.classes[number] for number in np.flatnonzero(row > 0.5)] for row in probabilities]
            return TextPredictions(labels, probabilities)
        return TextPredictions([self.classes[number] for number in probabilities.argmax(axis=1)], probabilities)

    def predict_texts(self, texts: str | Sequence[str | tuple[str, str]]) -> TextPredictions:
        """Return the classes of every text, and the probabilities of all classes.

        Args:
            texts: str, or sequence of str or of pairs of str.

        Returns:
            `TextPredictions` of `labels`, list of str (the most probable class), or of a multi-label model of lists of
            str (every class above one half, maybe none), and `probabilities`, float32 `(batch, classes)`.

        Example:
            ```python
            labels, probabilities = model.predict_texts(["They won the cup .", "The bill was passed ."])
            ```
        """
        return self.predictions(self.text_logits(self.encode([texts] if isinstance(texts, str) else list(texts))))

    def head_config(self) -> dict[str, Any]:
        """Return as plain data what the model has besides its encoder."""
        own = {name: getattr(self, name) for name in ("long_text", "pooling", "multi_label", "temperature")}
        return {**super().head_config(), **own}


def _split(ragged: Any) -> list[np.ndarray]:
    return np.split(np.asarray(ragged.values), np.asarray(ragged.row_splits)[1:-1])
