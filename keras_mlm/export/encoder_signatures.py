"""What every kind of model can be asked on a server: vectors, tokens, and vectors of ids."""

from typing import Any

import tensorflow as tf

from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.row_vectors import row_vectors
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS, TextRows, trimmed

TEXT = (tf.TensorSpec([None], tf.string, name="text"),)
PAIR = tuple(tf.TensorSpec([None], tf.string, name=name) for name in ("text_a", "text_b"))
# Ours, not the corpus': an export holds no text of it. Of different lengths, as requests are.
EXAMPLES = (
    "The museum is open.",
    "今天的天气很好。",
    "We met at the station in the morning and walked along the river until it was dark.",
)
PAIR_EXAMPLES = {"text_a": ["It rained all day.", "他打开了门。"], "text_b": ["The street was wet.", "屋里没有人。"]}


class EncoderSignatures:
    """The signatures that all models share; the base of those of each kind.

    Args:
        model: a model of this package with a tokenizer.
        options: ExportOptions.
    """

    # Whether a literal [MASK] in a text is the mask token, and texts to show and to warm up with.
    mask_tokens = False
    examples: tuple[str, ...] = EXAMPLES

    def __init__(self, model: Any, options: ExportOptions) -> None:
        self.model = model
        self.options = options
        self.length = options.row_length(model)
        # What windows have more than one row for, vectors and tokens have the first of.
        self.texts = TextRows(
            model.tokenizer, self.length, head_tail=getattr(model, "long_text", "truncate") == "head_tail"
        )

    def all(self) -> list[Signature]:
        """The signatures that the model has, the default one first."""
        raise NotImplementedError

    def shared(self) -> list[Signature]:
        """Those that every model has."""
        width, hidden = self.length, self.model.config.hidden_dim
        texts = {"text": self.examples}
        vectors = {
            "mean_pooled": f"float32 (batch, {hidden}): mean over the tokens, of length 1; zeros without any token",
            "cls": f"float32 (batch, {hidden}): the vector of [CLS], of length 1",
        }
        return [
            Signature("embed", self.embed, TEXT, "One vector a text, in two ways.", {**vectors, **COUNTS}, texts),
            Signature(
                "tokenize", self.tokenize, TEXT,
                "The row that the model sees, and where its tokens stand in the text.",
                {"token_ids": f"int32 (batch, {width}): [CLS], the tokens, [SEP], [PAD]",
                 "tokens": f'string (batch, {width}): the same as strings; "" for [PAD]',
                 "starts": f"int32 (batch, {width}): first character (code point) of each; -1 for special tokens",
                 "ends": f"int32 (batch, {width}): one past the last character; -1 for special tokens",
                 **COUNTS}, texts,
            ),
            Signature(
                "embed_ids", self.embed_ids, self.id_specs(),
                "embed for clients with their own tokenizer.",
                {"sequence_output": f"float32 (batch, {width}, {hidden}): the last layer; 0 at padding",
                 **vectors}, self.id_examples(),
            ),
        ]  # fmt: skip

    def id_specs(self) -> tuple[tf.TensorSpec, ...]:
        """The inputs of signatures that take ids."""
        names = ("token_ids", "segment_ids", "padding_mask")
        return tuple(tf.TensorSpec([None, self.length], tf.int32, name=name) for name in names)

    def id_examples(self) -> dict[str, list[list[int]]]:
        """The examples as rows of ids of the full width."""
        tokens = self.model.tokenizer.tokenize(self.examples, mask_tokens=self.mask_tokens)
        packed = self.texts.packer((tokens,))
        return {name: tf.cast(values, tf.int32).numpy().tolist() for name, values in packed.items()}

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of texts."""
        rows, counts, _ = self.texts.pack(text)
        _, mean_pooled, cls = row_vectors(self.model.backbone, rows)
        return {"mean_pooled": mean_pooled, "cls": cls, **counts}

    def tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The tokens of texts, where they stand, cut to the model's length."""
        tokenizer = self.model.tokenizer
        found = tokenizer.tokenize_with_offsets(text, mask_tokens=self.mask_tokens)
        batch = tf.shape(text)[0]
        counts = self.texts.counts([found.token_ids], self.length - 2)

        def row(values: tf.RaggedTensor, first: int, last: int, padding: int) -> tf.Tensor:
            ends = [tf.fill([batch, 1], tf.constant(value, tf.int32)) for value in (first, last)]
            inner = self.texts.fit(values)
            return tf.concat([ends[0], inner, ends[1]], axis=1).to_tensor(padding, shape=[None, self.length])

        token_ids = row(found.token_ids, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        is_token = tf.sequence_mask(tf.minimum(counts["token_count"], self.length - 2) + 2, self.length)
        return {
            "token_ids": token_ids,
            "tokens": tf.where(is_token, self.texts.strings(token_ids), ""),
            "starts": row(found.starts, -1, -1, -1),
            "ends": row(found.ends, -1, -1, -1),
            **counts,
        }

    def embed_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of rows of ids."""
        rows = trimmed({"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0})
        hidden, mean_pooled, cls = row_vectors(self.model.backbone, rows)
        hidden *= tf.cast(rows["padding_mask"], tf.float32)[:, :, tf.newaxis]
        missing = self.length - tf.shape(hidden)[1]
        hidden = tf.ensure_shape(tf.pad(hidden, [[0, 0], [0, missing], [0, 0]]), [None, self.length, None])
        return {"sequence_output": hidden, "mean_pooled": mean_pooled, "cls": cls}
