"""What a tokenizer says about a text when it is asked where its tokens stand."""

from typing import NamedTuple

import tensorflow as tf


class TokenizedText(NamedTuple):
    """Tokens and their places in the original text; each is ragged `(batch, tokens)`, or `(tokens,)` for one string.

    Args:
        token_ids: int32.
        word_starts: bool, `False` for the `##` pieces that continue a word.
        starts: int32, the first character (code point) of the token in the original string.
        ends: int32, one past the last character of the token in the original string.
    """

    token_ids: tf.RaggedTensor | tf.Tensor
    word_starts: tf.RaggedTensor | tf.Tensor
    starts: tf.RaggedTensor | tf.Tensor
    ends: tf.RaggedTensor | tf.Tensor
