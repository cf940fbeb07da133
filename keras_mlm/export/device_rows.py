"""Text to rows of ids on a phone: with gathers only, as no ragged operation is in TFLite."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from keras_mlm.row_cutting import head_and_tail, kept_lengths, window_stride

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

Rows = dict[str, tf.Tensor]


class _Segment(NamedTuple):
    """Tokens that go into rows: `kept` of them from `start` on; behind the first `head`, `skip` are left out."""

    values: tf.Tensor
    kept: tf.Tensor
    head: tf.Tensor
    skip: tf.Tensor
    start: tf.Tensor


class DeviceRows:
    """Tokenizes one text or pair at a time and packs it; needs a tokenizer of the normalization `"fast"`.

    Args:
        tokenizer: WordPieceTokenizer.
        length: int, tokens a row, special tokens included.
        long_text: str, what becomes of texts that are too long, one of `row_cutting.LONG_TEXT`.
    """

    def __init__(self, tokenizer: "WordPieceTokenizer", length: int, long_text: str = "truncate") -> None:
        self.tokenizer = tokenizer
        self.length = length
        self.long_text = long_text

    def single(self, text: tf.Tensor) -> tuple[Rows, Rows]:
        """The row of a text, string `(1,)`, and its counts; of windows the first."""
        values = self.tokenizer.tokenize(text).values
        count = tf.shape(values)[0]
        kept = tf.minimum(count, self.length - 2)
        return self._rows([self._cut(values, kept)]), self._counts([values], kept)

    def windows(self, text: tf.Tensor) -> tuple[Rows, Rows]:
        """As many rows as a text has windows, and its counts."""
        values = self.tokenizer.tokenize(text).values
        count, room = tf.shape(values)[0], self.length - 2
        cut = tf.maximum(count - room, 0)
        stride = window_stride(room)
        number = tf.math.floordiv(cut + stride - 1, stride) + 1
        start = tf.minimum(tf.range(number) * stride, cut)[:, tf.newaxis]
        kept = tf.minimum(count - start, room)
        return self._rows([_Segment(values, kept, kept, tf.zeros_like(kept), start)]), self._counts([values], count)

    def pair(self, text_a: tf.Tensor, text_b: tf.Tensor) -> tuple[Rows, Rows]:
        """The row of a pair, strings `(1,)`, and its counts."""
        values = [self.tokenizer.tokenize(text).values for text in (text_a, text_b)]
        first, second = (tf.shape(part)[0] for part in values)
        kept = kept_lengths(first, second, self.length - 3, tf.minimum, tf.maximum)
        segments = [self._cut(part, count) for part, count in zip(values, kept, strict=True)]
        return self._rows(segments), self._counts(values, tf.add_n(list(kept)))

    def masked(self, parts: tf.Tensor) -> tuple[Rows, Rows]:
        """The row of a text that is handed over as its parts, strings `(parts,)`, `[MASK]` between them."""
        tokenizer = self.tokenizer
        ragged = tokenizer.tokenize(parts)
        values, splits = ragged.values, tf.cast(ragged.row_splits, tf.int32)
        gaps = tf.shape(splits)[0] - 2
        pieces = tf.shape(values)[0]
        # The mask behind part p stands where the tokens up to there and the p masks before it end.
        masks = splits[1:-1] + tf.range(gaps)
        place = tf.range(self.length - 2)
        is_mask = tf.reduce_sum(tf.cast(tf.equal(place[:, tf.newaxis], masks[tf.newaxis, :]), tf.int32), axis=1)
        source = tf.minimum(place - tf.cumsum(is_mask, exclusive=True), pieces)
        inner = tf.gather(tf.concat([values, [tokenizer.pad_token_id]], axis=0), source)
        inner = is_mask * tokenizer.mask_token_id + (1 - is_mask) * inner
        count = pieces + gaps
        kept = tf.minimum(count, self.length - 2)
        zero = tf.zeros_like(kept)
        unknown = tf.reduce_sum(tf.cast(tf.equal(values, tokenizer.unk_token_id), tf.int32))
        return self._rows([_Segment(inner, kept, kept, zero, zero)]), _counts(count, kept, unknown)

    def _cut(self, values: tf.Tensor, kept: tf.Tensor) -> _Segment:
        head = head_and_tail(kept)[0] if self.long_text == "head_tail" else kept
        return _Segment(values, kept, head, tf.shape(values)[0] - kept, tf.zeros_like(kept))

    def _rows(self, segments: Sequence[_Segment]) -> Rows:
        """Rows `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`: for each place, which of all tokens stands there."""
        tokenizer = self.tokenizer
        special = [tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id]
        place = tf.range(self.length)[tf.newaxis, :]
        source = tf.cast(tf.equal(place, 0), tf.int32)
        segment_ids = tf.zeros_like(place)
        offset, first = tf.constant(len(special)), tf.constant(1)
        for number, segment in enumerate(segments):
            inner = place - first
            inside = tf.cast(tf.logical_and(inner >= 0, inner < segment.kept), tf.int32)
            behind = tf.cast(inner >= segment.head, tf.int32)
            source += inside * (offset + segment.start + inner + behind * segment.skip)
            source += 2 * tf.cast(tf.equal(inner, segment.kept), tf.int32)
            segment_ids += number * tf.cast(tf.logical_and(inner >= 0, inner <= segment.kept), tf.int32)
            offset += tf.shape(segment.values)[0]
            first += segment.kept + 1
        padding_mask = tf.cast(place < first, tf.int32)
        tokens = tf.concat([tf.constant(special), *(segment.values for segment in segments)], axis=0)
        return {
            "token_ids": tf.gather(tokens, source),
            # As many rows as there are windows.
            "segment_ids": segment_ids + tf.zeros_like(padding_mask),
            "padding_mask": padding_mask,
        }

    def _counts(self, tokens: Sequence[tf.Tensor], kept: tf.Tensor) -> Rows:
        unknown = [tf.reduce_sum(tf.cast(tf.equal(part, self.tokenizer.unk_token_id), tf.int32)) for part in tokens]
        return _counts(tf.add_n([tf.shape(part)[0] for part in tokens]), kept, tf.add_n(unknown))


def _counts(count: tf.Tensor, kept: tf.Tensor, unknown: tf.Tensor) -> Rows:
    return {
        "token_count": tf.reshape(count, [1]),
        "truncated": tf.reshape(count > kept, [1]),
        "unknown_count": tf.reshape(unknown, [1]),
    }
