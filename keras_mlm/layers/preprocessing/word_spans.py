"""Cuts the words of rows into spans of random length, as SpanBERT draws them (https://arxiv.org/abs/1907.10529)."""

import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.preprocessing_layer import batch_and_width

# A geometric distribution with p = 0.2 that ends at ten words: 3.8 on average.
LONGEST_SPAN = 10
SPAN_LENGTH_SHARES = 0.8 ** np.arange(LONGEST_SPAN) / (0.8 ** np.arange(LONGEST_SPAN)).sum()
# Of 32 random bits, as many bounds as are not above them make the length.
_BOUNDS = np.concatenate([[0], np.round(np.cumsum(SPAN_LENGTH_SHARES)[:-1] * 2**32)]).astype(np.uint32)


def word_spans(bits: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Return the span of every word: a row is cut up from its first word on, one random length after the other.

    A span does not run over a word without candidates, such as `[SEP]`: it ends there, and what would have been its
    rest is a span of its own.

    Args:
        bits: uint32 `(batch, width)`, random.
        sizes: int32 `(batch, width)`, how many candidates word w of a row has.

    Returns:
        int32 `(batch, width)`, numbers below `width` that rise from span to span; without meaning for words without
        candidates.
    """
    batch, width = batch_and_width(sizes)
    lengths = tf.searchsorted(_BOUNDS[None], tf.reshape(bits, [1, -1]), side="right")
    ends = tf.cumsum(tf.reshape(lengths, [batch, width]), axis=1)
    before = tf.cumsum(tf.cast(sizes > 0, tf.int32), axis=1, exclusive=True)
    # The words without candidates count as well, so that the number changes behind each.
    return tf.searchsorted(ends, before, side="right") + tf.range(width) - before
