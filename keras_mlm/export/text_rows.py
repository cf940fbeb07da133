"""Raw strings to the padded rows that a model takes, inside an exported graph."""

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

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
    """

    def __init__(self, tokenizer: "WordPieceTokenizer", length: int) -> None:
        self.tokenizer = tokenizer
        self.length = length
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
        rows = trimmed(self.packer(tuple(tokens)))
        count = tf.add_n([tf.cast(part.row_lengths(), tf.int32) for part in tokens])
        counts = {
            "token_count": count,
            "truncated": count > self.length - 1 - len(texts),
            "unknown_count": tf.add_n([self.count(part, self.tokenizer.unk_token_id) for part in tokens]),
        }
        return rows, counts, tokens[0]

    def count(self, tokens: tf.RaggedTensor, token_id: int) -> tf.Tensor:
        """How often a token occurs in each row, int32 `(batch,)`."""
        return tf.reduce_sum(tf.cast(tokens == token_id, tf.int32), axis=1)

    def strings(self, token_ids: tf.Tensor) -> tf.Tensor:
        """The tokens of ids as strings, in the shape of the ids."""
        return tf.gather(self._vocabulary, token_ids)


def trimmed(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Rows without the columns that are padding in all of them: less to compute, the same answers."""
    lengths = tf.reduce_sum(tf.cast(rows["padding_mask"], tf.int32), axis=1)
    width = tf.maximum(tf.reduce_max(lengths), 1)
    return {name: values[:, :width] for name, values in rows.items()}
