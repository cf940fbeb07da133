"""What only a served tagger can be asked: the words of texts, their tags and places, and the tags of rows of ids."""

import numpy as np
import tensorflow as tf

from keras_mlm.export.encoder_signatures import TEXT, EncoderSignatures
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.signature import Signature
from keras_mlm.export.tagger_answers import first_words, most_probable, word_logits
from keras_mlm.export.text_rows import COUNTS, trimmed
from keras_mlm.export.text_words import graph_words
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.models.tag_decoder import TagDecoder


class TaggerSignatures(EncoderSignatures):
    """The signatures of a `BertTokenClassifier`; the first of `all()` is also `serving_default`.

    Args:
        model: BertTokenClassifier with a tokenizer.
        options: ExportOptions.
    """

    def __init__(self, model: BertTokenClassifier, options: ExportOptions) -> None:
        super().__init__(model, options)
        self.word_slots = options.words_of(self.length)
        decoder = TagDecoder(model.classes)
        with tf.init_scope():
            self._classes = tf.constant(model.classes)
            self._costs = [tf.constant(costs, tf.float32) for costs in (decoder.first, decoder.between, decoder.last)]
        self._any_order = not any(np.any(costs.numpy()) for costs in self._costs)

    def all(self) -> list[Signature]:
        """The signatures, that of texts first."""
        slots, count, width = self.word_slots, len(self.model.classes), self.length
        return [
            Signature(
                "tag", self.tag, TEXT,
                "The words of texts of any length, their tags, and where they stand; `truncated` is true where there "
                f"are more than {slots} words.",
                {"words": f'string (batch, {slots}): as they are written in the text; "" in unused slots',
                 "tags": f'string (batch, {slots}): the most probable that may follow each other; "" in unused slots',
                 "scores": f"float32 (batch, {slots}): probability of each tag; 0 in unused slots",
                 "starts": f"int32 (batch, {slots}): first character (code point) of each; -1 in unused slots",
                 "ends": f"int32 (batch, {slots}): one past the last character; -1 in unused slots",
                 "word_count": "int32 (batch): words of the text, before it was cut", **COUNTS},
                {"text": self.examples},
            ),
            *self.shared(),
            Signature(
                "tag_ids", self.tag_ids, self.id_specs(), "tag for clients with their own tokenizer, token by token.",
                {"tags": f'string (batch, {width}): the most probable tag of each token; "" at padding',
                 "logits": f"float32 (batch, {width}, {count}): of each tag; 0 at padding",
                 "classes": f"string (batch, {count}): the tags, in the order of the logits"},
                self.id_examples(),
            ),
        ]  # fmt: skip

    def tag(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The words of texts and their tags."""
        all_words = graph_words(self.model.tokenizer, text)
        words = first_words(all_words, self.word_slots)
        log_probabilities = tf.nn.log_softmax(word_logits(self.model, self.texts, words))
        counts = tf.cast(words.starts.row_lengths(), tf.int32)
        width = tf.maximum(tf.reduce_max(tf.concat([counts, [0]], axis=0)), 1)
        scores = words.starts.with_values(log_probabilities).to_tensor(shape=[None, None, len(self.model.classes)])
        scores = tf.pad(scores, [[0, 0], [0, width - tf.shape(scores)[1]], [0, 0]])
        if self._any_order:
            numbers = tf.argmax(scores, axis=2, output_type=tf.int32)
        else:
            numbers = most_probable(scores, counts, *self._costs)
        found = tf.exp(tf.gather(scores, numbers, axis=2, batch_dims=2))
        used = tf.sequence_mask(counts, self.word_slots)
        starts, ends = self._fixed(words.starts), self._fixed(words.ends)
        word_count = tf.cast(all_words.starts.row_lengths(), tf.int32)
        return {
            "words": tf.where(used, _pieces_of(text, starts, ends), ""),
            "tags": tf.where(used, tf.gather(self._classes, self._filled(numbers)), ""),
            "scores": tf.where(used, self._filled(found), 0.0),
            "starts": tf.where(used, starts, -1),
            "ends": tf.where(used, ends, -1),
            "word_count": word_count,
            **self.texts.counts([all_words.token_ids], None),
            "truncated": word_count > self.word_slots,
        }

    def _fixed(self, values: tf.RaggedTensor) -> tf.Tensor:
        return tf.cast(values.to_tensor(shape=[None, self.word_slots]), tf.int32)

    def _filled(self, values: tf.Tensor) -> tf.Tensor:
        filled = tf.pad(values, [[0, 0], [0, self.word_slots]])[:, : self.word_slots]
        return tf.ensure_shape(filled, [None, self.word_slots])

    def tag_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """The tags of rows of ids, token by token."""
        rows = trimmed({"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0})
        logits, classes = self.model(rows, training=False), len(self.model.classes)
        logits = tf.where(rows["padding_mask"][:, :, tf.newaxis], logits, 0.0)
        logits = tf.pad(logits, [[0, 0], [0, self.length - tf.shape(logits)[1]], [0, 0]])
        logits = tf.ensure_shape(logits, [None, self.length, classes])
        return {
            "tags": tf.where(padding_mask > 0, tf.gather(self._classes, tf.argmax(logits, axis=2)), ""),
            "logits": logits,
            "classes": tf.ensure_shape(
                tf.tile(self._classes[tf.newaxis, :], [tf.shape(token_ids)[0], 1]), [None, classes]
            ),
        }


def _pieces_of(text: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """The parts of texts between characters `(batch, words)`; empty where both are the same."""
    valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    # A place behind the last character is refused even for nothing; empty texts have no other.
    padded = tf.strings.join([valid, " "])
    return tf.strings.substr(padded[:, tf.newaxis], starts, ends - starts, unit="UTF8_CHAR")
