"""What a classifier can be asked on a phone, in operations that TFLite and ONNX have."""

from typing import Any

import tensorflow as tf

from keras_mlm.export.classifier_answers import probabilities
from keras_mlm.export.encoder_on_device import ONE_TEXT, EncoderOnDevice, Outputs
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS

_PAIR = tuple(tf.TensorSpec([1], tf.string, name=name) for name in ("text_a", "text_b"))


class ClassifierOnDevice(EncoderOnDevice):
    """The signatures of a `BertTextClassifier` outside of servers; see `EncoderOnDevice`.

    Names of classes are in `metadata.json`, in the order of the probabilities.
    """

    def of_ids(self) -> list[Signature]:
        """Classes of rows."""
        summary = "The classes of a row."
        outputs = {
            **self._told(),
            "logits": f"float32 (batch, {len(self.model.classes)}): before the temperature; of a text with several "
            "rows, their mean is the text's",
        }
        return [Signature("classify_ids", self.classify_ids, (), summary, outputs, {})]

    def of_text(self, dynamic: bool) -> list[Signature]:
        """Classes and vectors of a text, and classes of a pair."""
        windows = self.model.long_text == "windows"
        rows, outputs = self.rows.windows if windows else self.rows.single, {**self._told(), **COUNTS}
        found = [
            Signature(
                "classify", self.on_rows(rows, self._classify_mean, dynamic), ONE_TEXT, "The classes of one text.",
                outputs, {"text": ["The museum is open."]},
            ),
            self.embed_text(dynamic),
        ]  # fmt: skip
        if not windows:
            examples = {"text_a": ["It rained all day."], "text_b": ["The street was wet."]}
            function = self.on_pair_rows(self._classify_mean, dynamic)
            summary = "The classes of one pair, for a model that was fine-tuned on pairs."
            found.insert(1, Signature("classify_pair", function, _PAIR, summary, outputs, examples))
        return found

    def settings(self) -> dict[str, Any]:
        """What a client has to know about the model besides its tokenizer, plain data."""
        names = ("classes", "long_text", "multi_label", "temperature")
        return {**super().settings(), **{name: getattr(self.model, name) for name in names}}

    def _told(self) -> dict[str, str]:
        return {"probabilities": f"float32 (batch, {len(self.model.classes)}): of each class, in their order"}

    def classify_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> Outputs:
        """The classes of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        logits = self.model(rows, training=False)
        return {"probabilities": probabilities(self.model, logits), "logits": logits}

    def _classify_mean(self, **rows: tf.Tensor) -> Outputs:
        """The classes of one text, over all its rows."""
        logits = tf.reduce_mean(self.classify_ids(**rows)["logits"], axis=0, keepdims=True)
        return {"probabilities": probabilities(self.model, logits)}
