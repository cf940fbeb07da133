"""What only a served classifier can be asked: the classes of texts, of pairs and of rows of ids."""

import tensorflow as tf

from keras_mlm.export.classifier_answers import pair_rows, probabilities, window_logits
from keras_mlm.export.encoder_signatures import PAIR, PAIR_EXAMPLES, TEXT, EncoderSignatures
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS, trimmed
from keras_mlm.models.bert_text_classifier import BertTextClassifier


class ClassifierSignatures(EncoderSignatures):
    """The signatures of a `BertTextClassifier`, with its rule for long texts, its temperature and its kind of labels.

    Args:
        model: BertTextClassifier with a tokenizer.
        options: ExportOptions.
    """

    def __init__(self, model: BertTextClassifier, options: ExportOptions) -> None:
        super().__init__(model, options)
        with tf.init_scope():
            self._classes = tf.constant(model.classes)

    def all(self) -> list[Signature]:
        """The signatures, that of single texts first."""
        count, several = len(self.model.classes), self.model.multi_label
        told = {
            "probabilities": f"float32 (batch, {count}): of each class"
            + (", on its own" if several else "; together 1"),
            "classes": f"string (batch, {count}): names of the classes, in the order of the probabilities",
        }
        if several:
            above = f'string (batch, {count}): the classes above one half, in their order, then ""'
            told = {"labels": above, **told}
        else:
            told = {"label": "string (batch): the most probable class", **told}
        found = [
            Signature("classify", self.classify, TEXT, self._summary(), {**told, **COUNTS}, {"text": self.examples}),
            *self.shared(),
            Signature(
                "classify_ids", self.classify_ids, self.id_specs(), "classify for clients with their own tokenizer.",
                {**told, "logits": f"float32 (batch, {count}): of each row, before the temperature; their mean over "
                 "the rows of a text, where it has several, is the text's"},
                self.id_examples(),
            ),
        ]  # fmt: skip
        if self.model.long_text != "windows":
            summary = "The classes of pairs, for a model that was fine-tuned on pairs."
            found.insert(
                1, Signature("classify_pair", self.classify_pair, PAIR, summary, {**told, **COUNTS}, PAIR_EXAMPLES)
            )
        return found

    def _summary(self) -> str:
        rule = {
            "truncate": "long ones are cut at their end",
            "head_tail": "of long ones the beginning and the end count",
            "windows": "of long ones all counts, in overlapping windows whose logits are averaged",
        }[self.model.long_text]
        return f"The classes of texts; {rule}."

    def classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The classes of texts."""
        if self.model.long_text != "windows":
            rows, counts, _ = self.texts.pack(text)
            return {**self._told(self.model(rows, training=False)), **counts}
        tokens = self.model.tokenizer.tokenize(text)
        return {**self._told(window_logits(self.model, self.texts, tokens)), **self.texts.counts([tokens], None)}

    def classify_pair(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """The classes of pairs of texts."""
        tokens = [self.model.tokenizer.tokenize(text) for text in (text_a, text_b)]
        logits = self.model(pair_rows(self.texts, *tokens), training=False)
        return {**self._told(logits), **self.texts.counts(tokens, self.length - 3)}

    def classify_ids(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The classes of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        logits = self.model(trimmed(rows), training=False)
        return {**self._told(logits), "logits": logits}

    def _told(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        found, count = probabilities(self.model, logits), len(self.model.classes)
        classes = tf.tile(self._classes[tf.newaxis, :], [tf.shape(found)[0], 1])
        told = {"probabilities": found, "classes": tf.ensure_shape(classes, [None, count])}
        if not self.model.multi_label:
            return {"label": tf.gather(self._classes, tf.argmax(found, axis=1)), **told}
        labels = tf.ragged.boolean_mask(classes, found > 0.5).to_tensor("", shape=[None, count])
        return {"labels": labels, **told}
