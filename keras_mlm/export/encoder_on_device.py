"""What every kind of model can be asked on a phone, in operations that TFLite and ONNX have."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export.device_rows import DeviceRows
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.row_vectors import row_vectors
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS

IDS = ("token_ids", "segment_ids", "padding_mask")
Outputs = dict[str, tf.Tensor]

ONE_TEXT = (tf.TensorSpec([1], tf.string, name="text"),)
VECTORS = {
    "mean_pooled": "float32 (batch, hidden): mean over the tokens, of length 1; zeros without any token",
    "cls": "float32 (batch, hidden): the vector of [CLS], of length 1",
}


class EncoderOnDevice:
    """The signatures of a model outside of servers; the base of those of each kind.

    Each comes twice: with the fixed shape of one row of `length`, the fastest, and as `..._dynamic` with any shape.

    Args:
        model: a model of this package with a tokenizer.
        options: ExportOptions.
    """

    # A row of tokens and a line of Python with `text`, to show in a card how to ask.
    example_tokens: tuple[str, ...] = ("[CLS]", "[UNK]", "[SEP]")
    text_example = 'np.array(["The museum is open."])'

    def __init__(self, model: Any, options: ExportOptions) -> None:
        self.model = model
        self.options = options
        self.length = options.row_length(model)
        self.rows = DeviceRows(model.tokenizer, self.length, getattr(model, "long_text", "truncate"))

    def example_ids(self) -> list[int]:
        """The ids of `example_tokens`."""
        return [self.model.tokenizer.token_to_id(token) for token in self.example_tokens]

    def ids(self) -> list[Signature]:
        """Ids in: builtin operations only."""
        row = self.example_ids()
        padding = [self.model.tokenizer.pad_token_id] * (self.length - len(row))
        used = [1] * len(row) + [0] * len(padding)
        examples = dict(zip(IDS, ([row + padding], [[0] * self.length], [used]), strict=True))
        found = []
        for suffix, shape in (("", [1, self.length]), ("_dynamic", [None, None])):
            inputs = tuple(tf.TensorSpec(shape, tf.int32, name=name) for name in IDS)
            found += [
                dataclasses.replace(each, name=each.name + suffix, inputs=inputs, examples=examples)
                for each in (*self.of_ids(), self._embed_ids())
            ]
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
        found = []
        for suffix, dynamic in (("", False), ("_dynamic", True)):
            found += [dataclasses.replace(each, name=each.name + suffix) for each in self.of_text(dynamic)]
        return [*found, self.tokens()]

    def of_ids(self) -> Sequence[Signature]:
        """What the kind of model answers about rows of ids; inputs and examples are the same for all."""
        raise NotImplementedError

    def of_text(self, dynamic: bool) -> Sequence[Signature]:
        """What the kind of model answers about text, with rows of the full length or of any."""
        raise NotImplementedError

    def tokens(self) -> Signature:
        """The signature that shows the row of a text."""
        return Signature(
            "tokenize", self.on_rows(self.rows.single, lambda **row: row, False), ONE_TEXT, "The row of one text.",
            {"token_ids": f"int32 (1, {self.length}): [CLS], the tokens, [SEP], [PAD]", **COUNTS},
            {"text": ["The museum is open."]},
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """What a client has to know about the model besides its tokenizer, plain data."""
        return {"length": self.length}

    def embed_text(self, dynamic: bool) -> Signature:
        """The signature that embeds one text."""
        return Signature(
            "embed", self.on_rows(self.rows.single, self.pooled_ids, dynamic), ONE_TEXT, "Vectors of one text.",
            {**VECTORS, **COUNTS}, {"text": ["The museum is open."]},
        )  # fmt: skip

    def _embed_ids(self) -> Signature:
        outputs = {"sequence_output": "float32 (batch, length, hidden): the last layer", **VECTORS}
        return Signature("embed_ids", self.embed_ids, (), "Vectors of a row.", outputs, {})

    def embed_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> Outputs:
        """Vectors of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        return dict(zip(("sequence_output", "mean_pooled", "cls"), row_vectors(self.model.backbone, rows), strict=True))

    def pooled_ids(self, **row: tf.Tensor) -> Outputs:
        """Vectors of rows of ids, without those of each position."""
        outputs = self.embed_ids(**row)
        return {name: outputs[name] for name in ("mean_pooled", "cls")}

    def on_rows(
        self, make: Callable[..., tuple[Outputs, Outputs]], answer: Callable[..., Outputs], dynamic: bool
    ) -> Callable[..., Outputs]:
        """Return a function of `text` that makes rows, answers about them and tells the counts."""

        def on_text(text: tf.Tensor) -> Outputs:
            return _answered(*make(text), answer, dynamic)

        return on_text

    def on_pair_rows(self, answer: Callable[..., Outputs], dynamic: bool) -> Callable[..., Outputs]:
        """Return a function of `text_a` and `text_b` that does the same."""

        def on_pair(text_a: tf.Tensor, text_b: tf.Tensor) -> Outputs:
            return _answered(*self.rows.pair(text_a, text_b), answer, dynamic)

        return on_pair


def _answered(rows: Outputs, counts: Outputs, answer: Callable[..., Outputs], dynamic: bool) -> Outputs:
    if dynamic:
        width = tf.reduce_max(tf.reduce_sum(rows["padding_mask"], axis=1))
        rows = {name: values[:, :width] for name, values in rows.items()}
    return {**{name: values for name, values in answer(**rows).items() if name not in IDS[1:]}, **counts}
