"""WordPiece with the words of Google's and Hugging Face's tokenizers: the `normalization="bert"` of ours."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from keras_mlm.tokenizers.bert_words import BertWords

MAX_CHARACTERS_PER_WORD = 100
# The kernel counts bytes, of which a character has up to four.
MAX_BYTES_PER_WORD = 4 * MAX_CHARACTERS_PER_WORD
UNKNOWN_WORD = "x" * (MAX_BYTES_PER_WORD + 1)


class ExactWordPiece:
    """Tokens of strings that equal those of Hugging Face's `BertTokenizerFast` with the same vocabulary.

    Args:
        vocabulary: sequence of str.
        lowercase: bool, whether to lower the case.
        strip_accents: bool, whether to decompose the characters and drop their marks.
    """

    def __init__(self, vocabulary: Sequence[str], *, lowercase: bool, strip_accents: bool) -> None:
        self._words = BertWords(lowercase=lowercase, strip_accents=strip_accents)
        self._word_pieces = tf_text.FastWordpieceTokenizer(
            list(vocabulary),
            token_out_type=tf.int32,
            max_bytes_per_word=MAX_BYTES_PER_WORD,
            no_pretokenization=True,
        )

    def repair(self, texts: tf.Tensor) -> tf.Tensor:
        """Valid UTF-8 with the same tokens: what stands for undecodable bytes is dropped later."""
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The token ids, ragged int32 `(batch, tokens)`, of strings `(batch,)`."""
        words = self._words.split(texts)
        return _by_text(words, self._word_pieces.tokenize(_bounded(words.values)))

    def tokenize_with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """The token ids, starts and ends, each ragged int32 `(batch, tokens)`, of strings `(batch,)`."""
        words, places = self._words.split_with_places(texts)
        token_ids, starts, ends = self._word_pieces.tokenize_with_offsets(_bounded(words.values))
        # From bytes of a word to characters of the word to characters of the text.
        _, character_starts = tf.strings.unicode_decode_with_offsets(words.values, "UTF-8")
        lengths = tf.cast(tf.strings.length(words.values), tf.int64)
        word_starts = tf.cumsum(lengths, exclusive=True)
        byte_of_character = character_starts.values + tf.gather(word_starts, character_starts.value_rowids())
        word = token_ids.value_rowids()
        first = tf.gather(word_starts, word) + starts.values
        # A word above the limit was handed over as another one, but ends where it ends.
        byte_ends = tf.where(ends.values > MAX_BYTES_PER_WORD, tf.gather(lengths, word), tf.cast(ends.values, tf.int64))
        last = tf.gather(word_starts, word) + byte_ends - 1

        def character(byte: tf.Tensor) -> tf.Tensor:
            index = tf.searchsorted(byte_of_character, byte, side="right", out_type=tf.int64) - 1
            return tf.cast(tf.gather(places.values, index), tf.int32)

        return (
            _by_text(words, token_ids),
            _by_text(words, starts.with_values(character(first))),
            _by_text(words, ends.with_values(character(last) + 1)),
        )


def _bounded(words: tf.Tensor) -> tf.Tensor:
    """The words, those above BERT's limit of characters replaced by one that is above the kernel's limit of bytes."""
    too_long = tf.strings.length(words, unit="UTF8_CHAR") > MAX_CHARACTERS_PER_WORD
    return tf.where(too_long, UNKNOWN_WORD, words)


def _by_text(words: tf.RaggedTensor, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    """Tokens `(all words, tokens of the word)` as `(batch, tokens)`."""
    return tf.RaggedTensor.from_row_splits(
        tokens.values, tf.gather(tokens.row_splits, words.row_splits), validate=False
    )
