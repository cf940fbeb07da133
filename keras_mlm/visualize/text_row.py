"""A text or a pair of texts as one row of a model."""

from typing import Any, NamedTuple

import numpy as np

from keras_mlm.errors import InputError


class TextRow(NamedTuple):
    """A batch of one row, and its tokens.

    Args:
        tokens: list of str, special tokens included.
        inputs: dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool, `(1, tokens)`.
    """

    tokens: list[str]
    inputs: dict[str, np.ndarray]


def text_row(model: Any, text: str | tuple[str, str]) -> TextRow:
    """Return a text as `[CLS] A [SEP]`, a pair as `[CLS] A [SEP] B [SEP]`; a literal `[MASK]` is the mask token.

    Args:
        model: model with a `tokenizer` and a `config`.
        text: str, or a pair of str.

    Returns:
        `TextRow`.

    Raises:
        InputError: the model has no tokenizer or tells no segments apart, or the text has no tokens or too many.

    Example:
        ```python
        text_row(model, ("Paris is big .", "It is old .")).tokens  # ["[CLS]", "paris", ...]
        ```
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")
    parts = [text] if isinstance(text, str) else list(text)
    ragged = tokenizer.tokenize(parts, mask_tokens=True)
    segments = np.split(np.asarray(ragged.values), np.asarray(ragged.row_splits)[1:-1])
    if not all(map(len, segments)):
        raise InputError("there are no tokens in the text: type some words")
    if len(segments) > model.config.num_segments:
        raise InputError(f"the model knows segments 0 to {model.config.num_segments - 1} only: give a single text")
    token_ids, segment_ids = [tokenizer.cls_token_id], [0]
    for number, segment in enumerate(segments):
        token_ids += [*segment.tolist(), tokenizer.sep_token_id]
        segment_ids += [number] * (len(segment) + 1)
    limit = model.config.max_sequence_length
    if len(token_ids) > limit:
        raise InputError(
            f"the text has {len(token_ids)} tokens with [CLS] and [SEP], more than the {limit} that the model takes: "
            "shorten it"
        )
    inputs = {
        "token_ids": np.array([token_ids], "int32"),
        "segment_ids": np.array([segment_ids], "int32"),
        "padding_mask": np.ones((1, len(token_ids)), bool),
    }
    return TextRow([tokenizer.id_to_token(token) for token in token_ids], inputs)
