"""Who looks at whom in a text."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.models.bert_backbone import BertBackbone
from keras_mlm.visualize.text_row import text_row


class AttendedText(NamedTuple):
    """A text as the model reads it, and where each of its tokens looks.

    Args:
        tokens: list of str, special tokens included.
        scores: float32 array `(layers, heads, tokens, tokens)`, the probabilities with which each token, the third
            axis, looks at each; the last axis sums to 1.
    """

    tokens: list[str]
    scores: np.ndarray


def attention_scores(model: Any, text: str | tuple[str, str]) -> AttendedText:
    """Return the attention probabilities of a text, those that the model itself multiplies its values with.

    Args:
        model: `BertPretrainer`, `BertTextClassifier` or `BertTokenClassifier` with a tokenizer.
        text: str, or a pair of str, which become `[CLS] A [SEP] B [SEP]`. A literal `[MASK]` is the mask token.

    Returns:
        `AttendedText`.

    Raises:
        InputError: the model has another library's encoder, or as `text_row`.

    Example:
        ```python
        tokens, scores = attention_scores(load_model("saved_models/news"), "Paris is the [MASK] of France .")
        ```

    References:
        - [Attention Is All You Need](https://arxiv.org/abs/1706.03762)
    """
    if not isinstance(model.backbone, BertBackbone):
        raise InputError("another library's encoder does not tell its attention: keras_mlm.load_keras_hub(model) does")
    tokens, inputs = text_row(model, text)
    scores = model.backbone(inputs, return_attention_scores=True, training=False)["attention_scores"]
    return AttendedText(tokens, ops.convert_to_numpy(scores)[0])
