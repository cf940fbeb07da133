"""Raw strings to the padded rows that a model takes, inside an exported graph."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker
from keras_mlm.row_cutting import head_and_tail

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Rows computed at a time: a text of 100 kB has hundreds of windows, whose activations need not all be in memory.
_ROWS_A_STEP = 64
COUNTS = {
    "token_count": "int32 (batch): tokens of the text, before it was cut",
    "truncated": "bool (batch): whether the text was cut",
    "unknown_count": "int32 (batch): tokens of the text that are [UNK]",
}


class TextRows:
    """Tokenizes texts, cuts and packs them, and counts what happened to them.

    Bytes that are no UTF-8 count as unknown characters, and an empty text is a row of `[CLS] [SEP]`.

    Args:
        tokenizer: `WordPieceTokenizer` of the model.
        length: int, the longest row in tokens, special tokens included.
        head_tail: bool, whether long single texts keep their beginning and their end, instead of their beginning only.
            Defaults to `False`.
    """

    def __init__(self, tokenizer: "WordPieceTokenizer", length: int, *, head_tail: bool = False) -> None:
        self.tokenizer = tokenizer
        self.length = length
        self.head_tail = head_tail
        self.packer = SegmentPacker(
            length, tokenizer.cls_token_id, tokenizer.sep_token_id, pad_value=tokenizer.pad_token_id
        )
        # Outside of every graph: one tensor that all signatures capture is written once.
        with tf.init_scope():
            self._vocabulary = tf.constant(tokenizer.vocabulary)

    def pack(
        self, *texts: tf.Tensor, mask_tokens: bool = False
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.RaggedTensor]:
        """Return rows no wider than the longest of them needs, the counts, and the tokens of the first text, uncut.

        Args:
            *texts: one or two string tensors `(batch,)`: texts, or the first and the second halves of pairs.
            mask_tokens: bool, whether a literal `[MASK]` is the mask token. Defaults to `False`.

        Returns:
            A dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool `(batch, width)`; a dict of `COUNTS`; the
            first texts' tokens, ragged int32.
        """
        tokens = [self.tokenizer.tokenize(text, mask_tokens=mask_tokens) for text in texts]
        kept = [self.fit(tokens[0])] if self.head_tail and len(tokens) == 1 else tokens
        rows = trimmed(self.packer(tuple(kept)))
        return rows, self.counts(tokens, self.length - 1 - len(texts)), tokens[0]

    def fit(self, values: tf.RaggedTensor) -> tf.RaggedTensor:
        """What a row keeps of single texts, or of anything else that each of their tokens has; `[:, :room]` of it."""
        room = self.length - 2
        if not self.head_tail:
            return values[:, :room]
        return head_and_tail_spans(values, tf.minimum(values.row_lengths(), room))

    def counts(self, tokens: list[tf.RaggedTensor], room: int | None) -> dict[str, tf.Tensor]:
        """The `COUNTS` of texts or pairs; with `room` `None` nothing was cut."""
        count = tf.add_n([tf.cast(part.row_lengths(), tf.int32) for part in tokens])
        return {
            "token_count": count,
            "truncated": tf.zeros_like(count, tf.bool) if room is None else count > room,
            "unknown_count": tf.add_n([self.count(part, self.tokenizer.unk_token_id) for part in tokens]),
        }

    def count(self, tokens: tf.RaggedTensor, token_id: int) -> tf.Tensor:
        """How often a token occurs in each row, int32 `(batch,)`."""
        return tf.reduce_sum(tf.cast(tokens == token_id, tf.int32), axis=1)

    def strings(self, token_ids: tf.Tensor) -> tf.Tensor:
        """The tokens of ids as strings, in the shape of the ids."""
        return tf.gather(self._vocabulary, token_ids)


def spans(values: tf.RaggedTensor, starts: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """Runs of a ragged tensor's flat values as rows: where each begins, and how long it is, int64 `(rows,)`."""
    places = tf.ragged.range(starts, starts + tf.cast(lengths, starts.dtype))
    return places.with_values(tf.gather(values.values, places.values))


def head_and_tail_spans(values: tf.RaggedTensor, kept: tf.Tensor) -> tf.RaggedTensor:
    """The first and the last values of each row, so many together."""
    head, tail = head_and_tail(kept)
    return tf.concat(
        [spans(values, values.row_starts(), head), spans(values, values.row_limits() - tail, tail)], axis=1
    )


def trimmed(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Rows without the columns that are padding in all of them: less to compute, the same answers."""
    lengths = tf.reduce_sum(tf.cast(rows["padding_mask"], tf.int32), axis=1)
    width = tf.maximum(tf.reduce_max(lengths), 1)
    return {name: values[:, :width] for name, values in rows.items()}


def in_steps(
    compute: Callable[[dict[str, tf.Tensor]], tf.Tensor], rows: dict[str, tf.Tensor], nothing: tf.Tensor
) -> tf.Tensor:
    """What `compute` returns for rows, some of them at a time; `nothing` is that for no rows."""
    count = tf.shape(rows["token_ids"])[0]

    def add(done: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = trimmed({name: values[done : done + _ROWS_A_STEP] for name, values in rows.items()})
        return done + _ROWS_A_STEP, tf.concat([found, compute(part)], axis=0)

    return tf.while_loop(
        lambda done, _: done < count,
        add,
        (tf.constant(0), nothing),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, *nothing.shape[1:]])),
        parallel_iterations=1,
    )[1]
