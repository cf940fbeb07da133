"""What a classifier's logits say, and the windows of long texts, in an exported graph."""

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.export.text_rows import TextRows, head_and_tail_spans, in_steps, spans, trimmed
from keras_mlm.row_cutting import kept_lengths, window_stride

if TYPE_CHECKING:
    from keras_mlm.models.bert_text_classifier import BertTextClassifier


def probabilities(model: "BertTextClassifier", logits: tf.Tensor) -> tf.Tensor:
    """Return what logits `(batch, classes)` say, with the model's temperature, a softmax or a sigmoid a class."""
    scaled = logits / tf.constant(model.temperature, tf.float32)
    return tf.sigmoid(scaled) if model.multi_label else tf.nn.softmax(scaled)


def pair_rows(texts: TextRows, first: tf.RaggedTensor, second: tf.RaggedTensor) -> dict[str, tf.Tensor]:
    """Return rows `[CLS] A [SEP] B [SEP]` as a classifier makes them: both `[SEP]` also where B is empty.

    Args:
        texts: TextRows.
        first: ragged int32 `(batch, tokens)`, uncut.
        second: the same, of the second texts.

    Returns:
        Dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool `(batch, width)`.
    """
    room = texts.length - 3
    kept = kept_lengths(first.row_lengths(), second.row_lengths(), room, tf.minimum, tf.maximum)
    parts = [
        head_and_tail_spans(part, count) if texts.head_tail else spans(part, part.row_starts(), count)
        for part, count in zip((first, second), kept, strict=True)
    ]
    column = tf.ones([tf.shape(first.row_starts())[0], 1], tf.int32)
    cls, sep = texts.tokenizer.cls_token_id * column, texts.tokenizer.sep_token_id * column
    whole = tf.concat([cls, parts[0], sep, parts[1], sep], axis=1)
    place = tf.range(texts.length, dtype=tf.int64)[tf.newaxis, :]
    padding_mask = place < whole.row_lengths()[:, tf.newaxis]
    in_second = tf.logical_and(place >= kept[0][:, tf.newaxis] + 2, padding_mask)
    return trimmed(
        {
            "token_ids": whole.to_tensor(texts.tokenizer.pad_token_id, shape=[None, texts.length]),
            "segment_ids": tf.cast(in_second, tf.int32),
            "padding_mask": padding_mask,
        }
    )


def window_logits(model: "BertTextClassifier", texts: TextRows, tokens: tf.RaggedTensor) -> tf.Tensor:
    """Return the logits of texts of any length: the mean of those of their windows.

    Args:
        model: BertTextClassifier whose `long_text` is `"windows"`.
        texts: TextRows.
        tokens: ragged int32 `(batch, tokens)`, uncut.

    Returns:
        float32 `(batch, classes)`.
    """
    room = texts.length - 2
    stride = window_stride(room)
    cut = tf.maximum(tokens.row_lengths() - room, 0)
    numbers = tf.math.floordiv(cut + stride - 1, stride) + 1
    nth = tf.ragged.range(numbers)
    of_text = nth.value_rowids()
    starts = tf.minimum(nth.values * stride, tf.gather(cut, of_text))
    lengths = tf.minimum(tf.gather(tokens.row_lengths(), of_text) - starts, room)
    rows = texts.packer((spans(tokens, tf.gather(tokens.row_starts(), of_text) + starts, lengths),))
    logits = in_steps(lambda part: model(part, training=False), rows, tf.zeros([0, len(model.classes)]))
    return tf.math.segment_mean(logits, of_text)
