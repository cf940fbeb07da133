"""The tags of words in an exported graph: windows of long texts, and Viterbi's algorithm."""

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.export.text_rows import TextRows, in_steps, spans
from keras_mlm.export.text_words import GraphWords

if TYPE_CHECKING:
    from keras_mlm.models.bert_token_classifier import BertTokenClassifier


def first_words(words: GraphWords, count: int) -> GraphWords:
    """Return the first words of each text, so many at most."""
    kept = words.word_index.values < count
    tokens = tf.ragged.boolean_mask(words.token_ids, words.word_index.with_values(kept))
    index = tf.ragged.boolean_mask(words.word_index, words.word_index.with_values(kept))
    return GraphWords(tokens, index, *(values[:, :count] for values in words[2:]))


def word_logits(model: "BertTokenClassifier", texts: TextRows, words: GraphWords) -> tf.Tensor:
    """Return the logits of the words of all texts, each in the window whose cuts are farthest away.

    Args:
        model: BertTokenClassifier.
        texts: TextRows.
        words: GraphWords.

    Returns:
        float32 `(words, classes)`.
    """
    room = texts.length - 2
    pieces = words.token_ids.row_lengths()
    cut = tf.maximum(pieces - room, 0)
    # As models.word_windows has it: windows that share half of their tokens, spread evenly.
    step = room - room // 2
    numbers = tf.where(pieces > 0, 1 + tf.math.floordiv(cut + step - 1, step), 0)
    nth = tf.ragged.range(numbers)
    of_text = nth.value_rowids()
    last = tf.maximum(numbers - 1, 1)
    starts = nth.with_values(tf.math.floordiv(nth.values * tf.gather(cut, of_text), tf.gather(last, of_text)))
    lengths = tf.minimum(tf.gather(pieces, of_text), room)
    row_starts = tf.gather(words.token_ids.row_starts(), of_text) + starts.values
    rows = texts.packer((spans(words.token_ids, row_starts, lengths),))

    def row_logits(part: dict[str, tf.Tensor]) -> tf.Tensor:
        found = model(part, training=False)
        found = tf.pad(found, [[0, 0], [0, texts.length - tf.shape(found)[1]], [0, 0]])
        return tf.ensure_shape(found, [None, texts.length, len(model.classes)])

    logits = in_steps(row_logits, rows, tf.zeros([0, texts.length, len(model.classes)]))

    # A word counts where the middles of what two windows share put it. Texts are told apart by a large number each.
    middles = tf.math.floordiv(starts[:, 1:] + starts[:, :-1] + room, 2)
    width = tf.reduce_max(tf.concat([pieces, [0]], axis=0)) + texts.length
    keys = middles.values + middles.value_rowids() * width
    text_of_word = words.first_tokens.value_rowids()
    place = words.first_tokens.values
    before = tf.searchsorted(keys, place + text_of_word * width, side="right", out_type=tf.int64)
    window = before - tf.gather(middles.row_starts(), text_of_word) + tf.gather(starts.row_starts(), text_of_word)
    return tf.gather_nd(logits, tf.stack([window, 1 + place - tf.gather(starts.values, window)], axis=1))


def most_probable(
    scores: tf.Tensor, counts: tf.Tensor, first: tf.Tensor, between: tf.Tensor, last: tf.Tensor
) -> tf.Tensor:
    """Return the tags of texts whose scores and costs have the largest sum, by Viterbi's algorithm.

    Args:
        scores: float32 `(batch, words, classes)`, logarithms of probabilities; at least one word wide.
        counts: int `(batch,)`, how many words each text has.
        first: float32 `(classes,)`, what a tag costs as the first.
        between: float32 `(classes, classes)`, what it costs from one tag (row) to the next (column).
        last: float32 `(classes,)`, what a tag costs as the last.

    Returns:
        int32 `(batch, words)`; anything behind the last word of a text.
    """
    width, classes = tf.shape(scores)[1], scores.shape[2]
    stay = tf.range(classes)[tf.newaxis, :]

    def forward(place: tf.Tensor, total: tf.Tensor, pointers: tf.TensorArray) -> tuple:
        candidates = total[:, :, tf.newaxis] + between[tf.newaxis]
        there = (place < counts)[:, tf.newaxis]
        best = tf.argmax(candidates, axis=1, output_type=tf.int32)
        reached = tf.reduce_max(candidates, axis=1) + scores[:, place]
        # Behind its last word a text stays where it is.
        return place + 1, tf.where(there, reached, total), pointers.write(place, tf.where(there, best, stay))

    pointers = tf.TensorArray(tf.int32, size=width, element_shape=[None, classes], clear_after_read=False)
    _, total, pointers = tf.while_loop(
        lambda place, *_: place < width,
        forward,
        (tf.constant(1), scores[:, 0] + first, pointers),
        parallel_iterations=1,
    )
    found = tf.TensorArray(tf.int32, size=width, element_shape=[None], clear_after_read=False)
    tag = tf.argmax(total + last, axis=1, output_type=tf.int32)

    def backward(place: tf.Tensor, tag: tf.Tensor, found: tf.TensorArray) -> tuple:
        previous = tf.gather(pointers.read(place), tag, axis=1, batch_dims=1)
        return place - 1, previous, found.write(place - 1, previous)

    found = tf.while_loop(
        lambda place, *_: place > 0,
        backward,
        (width - 1, tag, found.write(width - 1, tag)),
        parallel_iterations=1,
    )[2]
    return tf.transpose(found.stack())
