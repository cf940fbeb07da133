"""What a pre-trained model can be asked on a phone, in operations that TFLite and ONNX have."""

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export.pretrainer_answers import encode, fill_masks
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

IDS = ("token_ids", "segment_ids", "padding_mask")
PARTS = ["The ", " is open."]


class PretrainerOnDevice:
    """The signatures of a `BertPretrainer` outside of servers.

    Each comes twice: with the fixed shape of one row of `length`, the fastest, and as `..._dynamic` with any shape.

    Args:
        model: BertPretrainer with a tokenizer.
        length: int, the longest row in tokens, special tokens included.
        top_k: int, candidates a mask.
        mask_slots: int, masks a text that are filled.
    """

    def __init__(self, model: "BertPretrainer", *, length: int, top_k: int, mask_slots: int) -> None:
        self.model = model
        self.length = length
        self.top_k = top_k
        self.mask_slots = mask_slots

    def ids(self) -> list[Signature]:
        """Ids in: builtin operations only."""
        tokenizer, found = self.model.tokenizer, []
        row = [tokenizer.cls_token_id, tokenizer.mask_token_id, tokenizer.sep_token_id]
        row += [tokenizer.pad_token_id] * (self.length - 3)
        examples = dict(zip(IDS, ([row], [[0] * self.length], [[1] * 3 + [0] * (self.length - 3)]), strict=True))
        for suffix, shape in (("", [1, self.length]), ("_dynamic", [None, None])):
            inputs = tuple(tf.TensorSpec(shape, tf.int32, name=name) for name in IDS)
            found += [
                Signature(
                    f"fill_mask_ids{suffix}", self.fill_mask_ids, inputs, "Candidates for every [MASK] of a row.",
                    self._filled(), examples,
                ),
                Signature(
                    f"embed_ids{suffix}", self.embed_ids, inputs, "Vectors of a row.",
                    {"sequence_output": "float32 (batch, length, hidden): the last layer", **self._vectors()}, examples,
                ),
            ]  # fmt: skip
        return found

    def text(self) -> list[Signature]:
        """Text in: tensorflow-text's two custom operations, of one text at a time.

        Raises:
            InputError: the tokenizer's normalisation has no such operation.
        """
        if self.model.tokenizer.normalization != "fast":
            raise InputError(
                'text-in TFLite needs the tokenizer normalization "fast": that of this model, '
                f'"{self.model.tokenizer.normalization}", is made of operations that TFLite lacks (regular '
                "expressions, Unicode). The ids-in file runs the model with the client's own tokenizer, and the "
                "SavedModel takes text"
            )
        inputs = (tf.TensorSpec([None], tf.string, name="text"),)
        examples, found = {"text": PARTS}, []
        for suffix, dynamic in (("", False), ("_dynamic", True)):
            found += [
                Signature(
                    f"fill_mask{suffix}", self._on_text(self.fill_mask_ids, dynamic), inputs,
                    "Candidates for every [MASK] of one text, handed over as its parts: the text split at [MASK].",
                    {**self._filled(), **COUNTS}, examples,
                ),
                Signature(
                    f"embed{suffix}", self._on_text(self.pooled_ids, dynamic), inputs, "Vectors of one text.",
                    {**self._vectors(), **COUNTS}, {"text": PARTS[1:]},
                ),
            ]  # fmt: skip
        rows = {"token_ids": f"int32 (1, {self.length}): [CLS], the tokens, [SEP], [PAD]", **COUNTS}
        found.append(
            Signature(
                "tokenize", self._on_text(lambda **row: row, False), inputs, "The row of one text.", rows, examples
            )
        )
        return found

    def _filled(self) -> dict[str, str]:
        shape = f"(batch, {self.mask_slots}, {self.top_k})"
        return {
            "candidate_ids": f"int32 {shape}: the most probable first",
            "scores": f"float32 {shape}: their probabilities; 0 in unused slots",
            "positions": f"int32 (batch, {self.mask_slots}): place among the tokens, [CLS] being 0; -1 if unused",
        }

    def _vectors(self) -> dict[str, str]:
        return {
            "mean_pooled": "float32 (batch, hidden): mean over the tokens, of length 1; zeros without any token",
            "cls": "float32 (batch, hidden): the vector of [CLS], of length 1",
        }

    def fill_mask_ids(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Fill the masks of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        ids, scores, positions = fill_masks(self.model, rows, self.top_k, self.mask_slots)
        return {"candidate_ids": ids, "scores": scores, "positions": positions}

    def embed_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        return dict(zip(("sequence_output", "mean_pooled", "cls"), encode(self.model, rows), strict=True))

    def pooled_ids(self, **row: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of rows of ids, without those of each position."""
        outputs = self.embed_ids(**row)
        return {name: outputs[name] for name in ("mean_pooled", "cls")}

    def _on_text(self, function, dynamic: bool):  # type: ignore[no-untyped-def]  # of the row's tensors, to outputs
        """A function of the parts of one text."""

        def on_text(text: tf.Tensor) -> dict[str, tf.Tensor]:
            row, counts = self._row(text)
            if dynamic:
                width = tf.reduce_sum(row["padding_mask"])
                row = {name: values[:, :width] for name, values in row.items()}
            outputs = function(**row)
            return {**{name: values for name, values in outputs.items() if name not in IDS[1:]}, **counts}

        return on_text

    def _row(self, parts: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The row of one text, `[MASK]` between its parts, with gathers only: no ragged operation is in TFLite."""
        tokenizer, room = self.model.tokenizer, self.length - 2
        ragged = tokenizer.tokenize(parts)
        values, splits = ragged.values, tf.cast(ragged.row_splits, tf.int32)
        gaps = tf.shape(splits)[0] - 2
        pieces = tf.shape(values)[0]
        # The mask behind part p stands where the tokens up to there and the p masks before it end.
        masks = splits[1:-1] + tf.range(gaps)
        place = tf.range(room)
        is_mask = tf.reduce_sum(tf.cast(tf.equal(place[:, tf.newaxis], masks[tf.newaxis, :]), tf.int32), axis=1)
        source = tf.minimum(place - tf.cumsum(is_mask, exclusive=True), pieces)
        inner = tf.gather(tf.concat([values, [tokenizer.pad_token_id]], axis=0), source)
        inner = is_mask * tokenizer.mask_token_id + (1 - is_mask) * inner

        count = pieces + gaps
        used = tf.minimum(count, room)
        whole = tf.concat([[tokenizer.cls_token_id], inner, [tokenizer.pad_token_id]], axis=0)
        place = tf.range(self.length)
        whole = tf.where(tf.equal(place, used + 1), tokenizer.sep_token_id, whole)
        padding_mask = tf.cast(place < used + 2, tf.int32)
        whole = padding_mask * whole + (1 - padding_mask) * tokenizer.pad_token_id
        row = {
            "token_ids": tf.reshape(whole, [1, self.length]),
            "segment_ids": tf.zeros([1, self.length], tf.int32),
            "padding_mask": tf.reshape(padding_mask, [1, self.length]),
        }
        unknown = tf.reduce_sum(tf.cast(tf.equal(values, tokenizer.unk_token_id), tf.int32))
        return row, {
            "token_count": tf.reshape(count, [1]),
            "truncated": tf.reshape(count > room, [1]),
            "unknown_count": tf.reshape(unknown, [1]),
        }
