"""The words of texts as a tokenizer splits them, and where they stand, inside an exported graph."""

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Marks that stand on the character before them, the joiner of emoji, and what selects between forms of a character.
_MARK = r"[\p{Mn}\p{Me}\x{200D}\x{FE0E}\x{FE0F}]"


class GraphWords(NamedTuple):
    """The words of texts; `tokenizers.text_words.TextWords` as ragged tensors.

    Args:
        token_ids: ragged int32 `(batch, tokens)`.
        word_index: ragged int64 `(batch, tokens)`, the word in its text that a token belongs to.
        first_tokens: ragged int64 `(batch, words)`, the token in its text that a word begins with.
        starts: ragged int64 `(batch, words)`, the word's first character in its text.
        ends: ragged int64 `(batch, words)`, one past its last character.
    """

    token_ids: tf.RaggedTensor
    word_index: tf.RaggedTensor
    first_tokens: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


def graph_words(tokenizer: "WordPieceTokenizer", text: tf.Tensor) -> GraphWords:
    """Return the words of strings `(batch,)`, as `WordPieceTokenizer.words` does outside of graphs.

    What cannot be decoded counts as one character, as Python's `bytes.decode(errors="replace")` has it.
    """
    found = tokenizer.tokenize_with_offsets(text)
    starts, ends = tf.cast(found.starts.values, tf.int64), tf.cast(found.ends.values, tf.int64)
    of_text = found.token_ids.value_rowids()
    # Characters numbered through all texts.
    characters = tf.strings.unicode_split(text, "UTF-8")
    offset = tf.gather(characters.row_starts(), of_text)
    reached = _highest_so_far(ends + offset)
    # What one character was folded into is one word; every text begins one.
    apart = starts + offset >= tf.concat([[-1], reached[:-1]], axis=0)[: tf.size(starts)]
    begins_text = tf.concat([[-1], of_text[:-1]], axis=0)[: tf.size(of_text)] < of_text
    is_first = tf.logical_or(tf.logical_and(found.word_starts.values, apart), begins_text)
    word_of = tf.cumsum(tf.cast(is_first, tf.int64)) - 1
    first = tf.reshape(tf.where(is_first), [-1])
    text_of_word = tf.gather(of_text, first)
    batch = tf.cast(tf.shape(text)[0], tf.int64)

    def by_text(values: tf.Tensor) -> tf.RaggedTensor:
        return tf.RaggedTensor.from_value_rowids(values, text_of_word, nrows=batch, validate=False)

    first_words = tf.gather(by_text(first).row_starts(), of_text)
    begin = tf.gather(starts + offset, first)
    end = tf.math.segment_max(reached, word_of)
    next_begin = tf.concat([begin[1:], [tf.int64.max]], axis=0)[: tf.size(begin)]
    text_end = tf.gather(characters.row_limits(), text_of_word)
    end = _behind_marks(characters.values, end, tf.minimum(next_begin, text_end))
    offset_of_word = tf.gather(characters.row_starts(), text_of_word)
    return GraphWords(
        found.token_ids,
        found.token_ids.with_values(word_of - first_words),
        by_text(first - tf.gather(found.token_ids.row_starts(), text_of_word)),
        by_text(begin - offset_of_word),
        by_text(end - offset_of_word),
    )


def _behind_marks(characters: tf.Tensor, ends: tf.Tensor, limits: tf.Tensor) -> tf.Tensor:
    """Ends moved behind the marks that follow, no further than the limits."""
    is_mark = tf.strings.regex_full_match(characters, _MARK)
    others = tf.concat([tf.reshape(tf.where(tf.logical_not(is_mark)), [-1]), [tf.int64.max]], axis=0)
    behind = tf.gather(others, tf.searchsorted(others, ends, side="left"))
    return tf.maximum(ends, tf.minimum(behind, limits))


def _highest_so_far(values: tf.Tensor) -> tf.Tensor:
    """The cumulative maximum, in as many steps as the size has binary digits."""

    def step(width: tf.Tensor, highest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return 2 * width, tf.concat([highest[:width], tf.maximum(highest[width:], highest[:-width])], axis=0)

    return tf.while_loop(
        lambda width, _: width < tf.size(values),
        step,
        (tf.constant(1), values),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )[1]
