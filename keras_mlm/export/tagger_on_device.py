"""What a tagger can be asked on a phone, in operations that TFLite and ONNX have."""

from typing import Any

import tensorflow as tf

from keras_mlm.export.encoder_on_device import ONE_TEXT, EncoderOnDevice, Outputs
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS


class TaggerOnDevice(EncoderOnDevice):
    """The signatures of a `BertTokenClassifier` outside of servers; see `EncoderOnDevice`.

    They tell of each token by itself: which word it belongs to and where that stands, the client's tokenizer knows, and
    which tags may follow each other, their names say. Those are in `metadata.json`, in the order of the numbers.
    """

    def of_ids(self) -> list[Signature]:
        """Tags of the tokens of rows."""
        return [Signature("tag_ids", self.tag_ids, (), "The tags of the tokens of a row.", self._told(), {})]

    def of_text(self, dynamic: bool) -> list[Signature]:
        """Tags of the tokens of a text, and vectors."""
        outputs = {"token_ids": "int32 (1, length): [CLS], the tokens, [SEP], [PAD]", **self._told(), **COUNTS}
        function = self.on_rows(self.rows.single, lambda **row: {**row, **self.tag_ids(**row)}, dynamic)
        summary = "The tokens of one text, cut to one row, and their tags."
        tag = Signature("tag", function, ONE_TEXT, summary, outputs, {"text": ["The museum is open."]})
        return [tag, self.embed_text(dynamic)]

    def settings(self) -> dict[str, Any]:
        """What a client has to know about the model besides its tokenizer, plain data."""
        return {**super().settings(), "classes": self.model.classes, "scheme": self.model.scheme}

    def _told(self) -> dict[str, str]:
        return {
            "class_ids": "int32 (batch, length): the number of each token's most probable tag; a word's is that of "
            "its first token",
            "logits": f"float32 (batch, length, {len(self.model.classes)}): of each tag",
        }

    def tag_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> Outputs:
        """The tags of the tokens of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        logits = self.model(rows, training=False)
        return {"class_ids": tf.argmax(logits, axis=2, output_type=tf.int32), "logits": logits}
