"""WordPiece behind tensorflow-text's fused BERT normaliser: the `normalization="fast"` of `WordPieceTokenizer`."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

# BERT's limit is 100 characters a word; a character has up to four bytes, and this kernel counts bytes.
MAX_BYTES_PER_WORD = 400
# A code point that is and will be no character.
NO_CHARACTER = 0x2FFFE


class FastWordPiece:
    """Tokens of strings by two fused kernels: one folds the characters (NFKC and case), one splits and looks up.

    The kernels' models are constants of the graph: an export needs no file beside it.

    Args:
        vocabulary: sequence of str.
        lowercase: bool, whether to fold case, compatibility forms and accents; else only control characters are
            replaced.
    """

    def __init__(self, vocabulary: Sequence[str], *, lowercase: bool) -> None:
        self._normalizer = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=lowercase)
        self._word_pieces = tf_text.FastWordpieceTokenizer(
            list(vocabulary), token_out_type=tf.int32, max_bytes_per_word=MAX_BYTES_PER_WORD
        )

    def repair(self, texts: tf.Tensor) -> tf.Tensor:
        """Valid UTF-8 with the same tokens: the kernels take undecodable bytes for a character without a token."""
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace", replacement_char=NO_CHARACTER)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The token ids, ragged int32 `(batch, tokens)`, of strings `(batch,)`."""
        return self._word_pieces.tokenize(self._normalizer.normalize(texts))

    def tokenize_with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """The token ids, starts and ends, each ragged int32 `(batch, tokens)`, of valid UTF-8 strings `(batch,)`."""
        normalized, source = self._normalizer.normalize_with_offsets(texts)
        token_ids, starts, ends = self._word_pieces.tokenize_with_offsets(normalized)
        # `source` holds, for each normalised byte, the byte of the original character that it came from. The end is
        # that of the *last* character of the token: what was dropped between two tokens belongs to neither.
        first = tf.gather(source.values, _flat(starts, source))
        last = tf.gather(source.values, _flat(ends, source) - 1)
        return (
            token_ids,
            starts.with_values(_characters(texts, first, starts)),
            ends.with_values(_characters(texts, last, ends) + 1),
        )


def _flat(places: tf.RaggedTensor, of: tf.RaggedTensor) -> tf.Tensor:
    """Indices into the flat values of `of`, for indices that count from the beginning of each row."""
    return places.values + tf.gather(of.row_starts(), places.value_rowids())


def _characters(texts: tf.Tensor, places: tf.Tensor, like: tf.RaggedTensor) -> tf.Tensor:
    """The characters (int32, counted in each text) that hold the given bytes of the texts."""
    _, character_starts = tf.strings.unicode_decode_with_offsets(texts, "UTF-8")
    text_starts = tf.cumsum(tf.cast(tf.strings.length(texts), tf.int64), exclusive=True)
    all_starts = character_starts.values + tf.gather(text_starts, character_starts.value_rowids())
    row = like.value_rowids()
    character = tf.searchsorted(all_starts, places + tf.gather(text_starts, row), side="right", out_type=tf.int64) - 1
    return tf.cast(character - tf.gather(character_starts.row_starts(), row), tf.int32)
