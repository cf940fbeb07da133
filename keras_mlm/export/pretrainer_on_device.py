"""What a pre-trained model can be asked on a phone, in operations that TFLite and ONNX have."""

import dataclasses
from typing import Any

import tensorflow as tf

from keras_mlm.export.encoder_on_device import EncoderOnDevice, Outputs
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.pretrainer_answers import fill_masks
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS
from keras_mlm.models.bert_pretrainer import BertPretrainer

# Any number of parts: a text without [MASK] is one.
_PARTS = (tf.TensorSpec([None], tf.string, name="text"),)


class PretrainerOnDevice(EncoderOnDevice):
    """The signatures of a `BertPretrainer` outside of servers; see `EncoderOnDevice`.

    Args:
        model: BertPretrainer with a tokenizer.
        options: ExportOptions.
    """

    example_tokens = ("[CLS]", "[MASK]", "[SEP]")
    text_example = 'np.array("The [MASK] is open.".split("[MASK]"))  # each part between two [MASK] a string'

    def __init__(self, model: BertPretrainer, options: ExportOptions) -> None:
        super().__init__(model, options)
        options.check_masks(model.config.vocabulary_size)

    def of_ids(self) -> list[Signature]:
        """Candidates for masks."""
        summary = "Candidates for every [MASK] of a row."
        return [Signature("fill_mask_ids", self.fill_mask_ids, (), summary, self._filled(), {})]

    def of_text(self, dynamic: bool) -> list[Signature]:
        """Candidates for masks, and vectors, of a text handed over as the parts between its masks."""
        examples = {"text": ["The ", " is open."]}
        embed = self.on_rows(self.rows.masked, self.pooled_ids, dynamic)
        return [
            Signature(
                "fill_mask", self.on_rows(self.rows.masked, self.fill_mask_ids, dynamic), _PARTS,
                "Candidates for every [MASK] of one text, handed over as its parts: the text split at [MASK].",
                {**self._filled(), **COUNTS}, examples,
            ),
            dataclasses.replace(self.embed_text(dynamic), function=embed, inputs=_PARTS),
        ]  # fmt: skip

    def tokens(self) -> Signature:
        """The signature that shows the row of a text, masks included."""
        function = self.on_rows(self.rows.masked, lambda **row: row, False)
        return dataclasses.replace(super().tokens(), function=function, inputs=_PARTS)

    def settings(self) -> dict[str, Any]:
        """What a client has to know about the model besides its tokenizer, plain data."""
        return {**super().settings(), "top_k": self.options.top_k, "mask_slots": self.options.mask_slots}

    def _filled(self) -> dict[str, str]:
        shape = f"(batch, {self.options.mask_slots}, {self.options.top_k})"
        return {
            "candidate_ids": f"int32 {shape}: the most probable first",
            "scores": f"float32 {shape}: their probabilities; 0 in unused slots",
            "positions": f"int32 (batch, {self.options.mask_slots}): place among the tokens, [CLS] being 0; "
            "-1 if unused",
        }

    def fill_mask_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> Outputs:
        """Fill the masks of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        ids, scores, positions = fill_masks(self.model, rows, self.options.top_k, self.options.mask_slots)
        return {"candidate_ids": ids, "scores": scores, "positions": positions}
