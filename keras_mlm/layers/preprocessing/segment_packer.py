"""Puts one or two segments and their special tokens into rows of a fixed length."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.preprocessing_layer import PreprocessingLayer, as_ragged
from keras_mlm.row_cutting import kept_lengths


@keras.saving.register_keras_serializable(package="keras_mlm")
class SegmentPacker(PreprocessingLayer):
    """Packs `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]` into rows of `sequence_length` tokens.

    What is too long is cut at the end of the longer segment, until both are equally long, then of both. Where B is
    empty its `[SEP]` is left out.

    Args:
        sequence_length: int, tokens a row, special tokens included; at least 3.
        start_value: int, id of `[CLS]`.
        end_value: int, id of `[SEP]`.
        pad_value: int, id of `[PAD]`. Defaults to `0`.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Call arguments:
        segments: ids `(tokens,)` or `(batch, tokens)` as list, tensor or ragged tensor; or a tuple `(A,)` or `(A, B)`
            of such.
        word_starts: as `segments`, true where a token begins a word. Defaults to `None`.

    Returns:
        Dict of `token_ids` int32, `segment_ids` int32 (0 up to the first `[SEP]`, 1 for B and its `[SEP]`, 0 in the
        padding), `padding_mask` bool and, where given, `word_starts` bool (special tokens and the first token of a
        segment begin a word), each `(sequence_length,)` or `(batch, sequence_length)`.

    Raises:
        InputError: a length below 3, or more than two segments.

    Example:
        ```python
        packer = SegmentPacker(8, start_value=2, end_value=3)
        packer(([[11, 12]], [[21]]))["token_ids"]  # [[2, 11, 12, 3, 21, 3, 0, 0]]
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), figure 2
    """

    def __init__(
        self, sequence_length: int, start_value: int, end_value: int, pad_value: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if sequence_length < 3:
            raise InputError(f"sequence_length must be at least 3, not {sequence_length}")
        self.sequence_length = sequence_length
        self.start_value = start_value
        self.end_value = end_value
        self.pad_value = pad_value

    def call(self, segments: Any, word_starts: Any = None) -> dict[str, tf.Tensor]:
        """Pack a row or a batch; see the class."""
        parts = segments if isinstance(segments, tuple) else (segments,)
        if not 1 <= len(parts) <= 2:
            raise InputError(f"a row holds one or two segments, not {len(parts)}")
        rows, singles = zip(*(as_ragged(part, tf.int32) for part in parts), strict=True)
        flags = None
        if word_starts is not None:
            given = word_starts if isinstance(word_starts, tuple) else (word_starts,)
            flags = [as_ragged(part, tf.bool)[0] for part in given]
        if len(rows) == 1:
            outputs = self._pack_one(rows[0], flags[0] if flags else None)
        else:
            outputs = self._pack_two(rows, flags)
        return {name: output[0] for name, output in outputs.items()} if singles[0] else outputs

    def _pack_one(self, segment: tf.RaggedTensor, word_starts: tf.RaggedTensor | None) -> dict[str, tf.Tensor]:
        """Pack segments whose tokens lie behind one another already: a row is one copy, not one a token."""
        room = self.sequence_length - 2
        position = tf.range(self.sequence_length)
        end = tf.minimum(tf.cast(segment.row_lengths(), tf.int32), room)[:, None] + 1

        def rows(values: tf.RaggedTensor, first: int, padding: int) -> tf.Tensor:
            # One column more than tokens are kept: a token that does not fit stands where [SEP] is put.
            dense = tf.raw_ops.RaggedTensorToTensor(
                shape=tf.constant([-1, room + 1]),
                values=values.values,
                default_value=tf.constant(padding, values.dtype),
                row_partition_tensors=[values.row_splits],
                row_partition_types=["ROW_SPLITS"],
            )
            return tf.pad(dense, [[0, 0], [1, 0]], constant_values=first)

        token_ids = tf.where(position == end, self.end_value, rows(segment, self.start_value, self.pad_value))
        outputs = {
            "token_ids": token_ids,
            "segment_ids": tf.zeros_like(token_ids),
            "padding_mask": position <= end,
        }
        if word_starts is not None:
            begins = (position == 1) | (position == end)
            outputs["word_starts"] = (rows(tf.cast(word_starts, tf.int32), 1, 0) > 0) | begins
        return outputs

    def _pack_two(
        self, segments: Sequence[tf.RaggedTensor], word_starts: Sequence[tf.RaggedTensor] | None
    ) -> dict[str, tf.Tensor]:
        tokens = tf.concat([self.special_ids, *(part.values for part in segments)], 0)
        words = None
        if word_starts is not None:
            flags = tf.concat([self.special_word_starts, *(part.values for part in word_starts)], 0)
            words = with_word_starts(tokens, flags)
        spans = []
        offset = len(self.special_ids)
        for part in segments:
            splits = tf.cast(part.row_splits, tf.int32)
            spans.append((splits[:-1] + offset, splits[1:] - splits[:-1]))
            offset += tf.size(part.values)
        return self.pack_spans(tokens, words, *spans)

    @property
    def special_ids(self) -> list[int]:
        """The ids that precede the tokens given to `pack_spans`: `[PAD]`, `[CLS]`, `[SEP]`."""
        return [self.pad_value, self.start_value, self.end_value]

    @property
    def special_word_starts(self) -> list[bool]:
        """The word starts of `special_ids`."""
        return [False, True, True]

    def pack_spans(
        self,
        tokens: tf.Tensor,
        words: tf.Tensor | None,
        first: tuple[tf.Tensor, tf.Tensor],
        second: tuple[tf.Tensor, tf.Tensor] | None = None,
        pos_ids: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Pack rows that are spans of one long run of tokens: nothing is copied before it reaches its row.

        Args:
            tokens: int32 `(tokens,)`, `special_ids` and then all tokens.
            words: int32 `(tokens,)`, the same `with_word_starts`, `special_word_starts` first; or `None`.
            first: starts in `tokens` and lengths of the segments A, int32 `(batch,)` each.
            second: the same of the segments B. Defaults to `None`, rows of one segment.
            pos_ids: int32 `(tokens,)`, parts of speech, 0 for none and for `special_ids`. Defaults to `None`.

        Returns:
            Dict as the layer's, for a batch; with `pos_ids` `(batch, sequence_length)` where they are given.
        """
        start_a, length_a = first
        ones = tf.ones_like(length_a)
        if second is None:
            length_a = tf.minimum(length_a, self.sequence_length - 2)
            starts, lengths = [ones, start_a, 2 * ones], [ones, length_a, ones]
            begin_b = end = length_a[:, None] + 2
        else:
            room = self.sequence_length - 3
            length_a, length_b = kept_lengths(first[1], second[1], room, tf.minimum, tf.maximum)
            is_pair = tf.minimum(length_b, 1)  # an empty B has no [SEP]
            starts = [ones, start_a, 2 * ones, second[0], 2 * ones]
            lengths = [ones, length_a, ones, length_b, is_pair]
            begin_b = length_a[:, None] + 2
            end = begin_b + (length_b + is_pair)[:, None]
        # A row is three or five spans, [CLS] A [SEP] B [SEP], which lie one behind the other in `places`.
        places, splits = _ranges(starts, lengths)
        rows = functools.partial(self._rows, splits=splits)
        position = tf.range(self.sequence_length)
        padding_mask = position < end
        token_ids, word_starts = self._tokens(tokens, words, places, rows)
        outputs = {
            "token_ids": token_ids,
            "segment_ids": tf.cast((position >= begin_b) & padding_mask, tf.int32),
            "padding_mask": padding_mask,
        }
        if word_starts is not None:
            begins = ((position == 1) | (position == begin_b)) & padding_mask
            outputs["word_starts"] = word_starts | begins
        if pos_ids is not None:
            outputs["pos_ids"] = rows(tf.gather(pos_ids, places), 0)
        return outputs

    def pack_rows(
        self,
        tokens: tf.Tensor,
        words: tf.Tensor | None,
        starts: tf.Tensor,
        lengths: tf.Tensor,
        row_splits: tf.Tensor,
        pos_ids: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Pack several texts into each row, every one with its own `[CLS]` and `[SEP]`.

        Args:
            tokens: int32 `(tokens,)`, `special_ids` and then all tokens.
            words: int32 `(tokens,)`, the same `with_word_starts`, `special_word_starts` first; or `None`.
            starts: int32 `(texts,)`, where the texts begin in `tokens`.
            lengths: int32 `(texts,)`; those of a row fit into it with their special tokens.
            row_splits: int32 `(batch + 1,)`, where the rows begin in `starts`.
            pos_ids: int32 `(tokens,)`, as of `pack_spans`. Defaults to `None`.

        Returns:
            Dict as the layer's, for a batch, and int32 `(batch, sequence_length)` each: `sequence_ids`, the number of
            the text in its row from 1 on, 0 in the padding, and `position_ids`, the place in the text from 0 on.
        """
        ones = tf.ones_like(lengths)
        places, begins = _ranges([ones, starts, 2 * ones], [ones, lengths, ones])
        rows = functools.partial(self._rows, splits=tf.gather(begins, row_splits))
        texts = tf.range(tf.size(starts))
        number = texts + 1 - tf.repeat(row_splits[:-1], row_splits[1:] - row_splits[:-1])
        text = tf.repeat(texts, lengths + 2)
        sequence_ids = rows(tf.gather(number, text), 0)
        position_ids = rows(tf.range(tf.size(text)) - tf.gather(begins, text), 0)
        token_ids, word_starts = self._tokens(tokens, words, places, rows)
        outputs = {
            "token_ids": token_ids,
            "segment_ids": tf.zeros_like(sequence_ids),
            "padding_mask": sequence_ids > 0,
            "sequence_ids": sequence_ids,
            "position_ids": position_ids,
        }
        if word_starts is not None:
            outputs["word_starts"] = word_starts | (position_ids == 1)
        if pos_ids is not None:
            outputs["pos_ids"] = rows(tf.gather(pos_ids, places), 0)
        return outputs

    def _tokens(
        self, tokens: tf.Tensor, words: tf.Tensor | None, places: tf.Tensor, rows: Callable[[tf.Tensor, int], tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the ids of the rows, and where words begin if that is known: in one, what is copied is copied once."""
        if words is None:
            return rows(tf.gather(tokens, places), self.pad_value), None
        both = rows(tf.gather(words, places), 2 * self.pad_value)
        return tf.bitwise.right_shift(both, 1), tf.bitwise.bitwise_and(both, 1) > 0

    def _rows(self, values: tf.Tensor, default: int, *, splits: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.RaggedTensorToTensor(
            shape=tf.constant([-1, self.sequence_length]),
            values=values,
            default_value=tf.cast(default, values.dtype),
            row_partition_tensors=[splits],
            row_partition_types=["ROW_SPLITS"],
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("sequence_length", "start_value", "end_value", "pad_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def with_word_starts(tokens: tf.Tensor, word_starts: tf.Tensor) -> tf.Tensor:
    """Return ids and whether they begin a word, `(tokens,)` both, as one int32 each: 2 · id, and 1 more at a start."""
    return 2 * tokens + tf.cast(word_starts, tf.int32)


def _ranges(starts: list[tf.Tensor], lengths: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the places of spans, the first of every part, then the second of every part, …, and where parts begin."""
    firsts, sizes = (tf.reshape(tf.stack(parts, axis=1), [-1]) for parts in (starts, lengths))
    places = tf.raw_ops.RaggedRange(starts=firsts, limits=firsts + sizes, deltas=1, Tsplits=tf.int32)
    return places.rt_dense_values, places.rt_nested_splits[:: len(starts)]
