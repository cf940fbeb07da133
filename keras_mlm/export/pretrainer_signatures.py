"""Everything that a served pre-trained model can be asked."""

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.export.pretrainer_answers import encode, fill_masks
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS, TextRows, trimmed

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

# Ours, not the corpus': an export holds no text of it. Of different lengths, as requests are.
EXAMPLES = [
    "The [MASK] is open.",
    "今天的[MASK]气很好。",
    "We met at the [MASK] in the morning and walked along the river until it was [MASK].",
]
PAIR_EXAMPLES = {"text_a": ["It rained all day.", "他打开了门。"], "text_b": ["The street was wet.", "屋里没有人。"]}


class PretrainerSignatures:
    """The signatures of a `BertPretrainer`; the first of `all()` is also `serving_default`.

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
        self.texts = TextRows(model.tokenizer, length)

    def all(self) -> list[Signature]:
        """The signatures that the model has heads for."""
        width, slots, top, hidden = self.length, self.mask_slots, self.top_k, self.model.config.hidden_dim
        text = (tf.TensorSpec([None], tf.string, name="text"),)
        ids = tuple(
            tf.TensorSpec([None, width], tf.int32, name=name) for name in ("token_ids", "segment_ids", "padding_mask")
        )
        vectors = {
            "mean_pooled": f"float32 (batch, {hidden}): mean over the tokens, of length 1; zeros without any token",
            "cls": f"float32 (batch, {hidden}): the vector of [CLS], of length 1",
        }
        filled = {
            "scores": f"float32 (batch, {slots}, {top}): their probabilities; 0 in unused slots",
            "positions": f"int32 (batch, {slots}): the mask's place among the tokens, [CLS] being 0; -1 if unused",
        }
        texts = {"text": EXAMPLES}
        rows = self._rows(EXAMPLES)
        found = [
            Signature(
                "fill_mask", self.fill_mask, text,
                "Candidates for every [MASK] of a text; `truncated` is true too where masks outnumber the slots.",
                {"tokens": f'string (batch, {slots}, {top}): the most probable first; "" in unused slots',
                 **filled, **COUNTS}, texts,
            ),
            Signature("embed", self.embed, text, "One vector a text, in two ways.", {**vectors, **COUNTS}, texts),
            Signature(
                "tokenize", self.tokenize, text,
                "The row that the model sees, and where its tokens stand in the text.",
                {"token_ids": f"int32 (batch, {width}): [CLS], the tokens, [SEP], [PAD]",
                 "tokens": f'string (batch, {width}): the same as strings; "" for [PAD]',
                 "starts": f"int32 (batch, {width}): first character (code point) of each; -1 for special tokens",
                 "ends": f"int32 (batch, {width}): one past the last character; -1 for special tokens",
                 **COUNTS}, texts,
            ),
            Signature(
                "score", self.score, text,
                "How probable the model finds a text, each token masked on its own.",
                {"log_likelihood": "float32 (batch): sum of the tokens' log probabilities, of the cut text",
                 "pseudo_perplexity": "float32 (batch): exp of the mean loss a token; 0 without any token",
                 **COUNTS}, texts,
            ),
            Signature(
                "fill_mask_ids", self.fill_mask_ids, ids,
                "fill_mask for clients with their own tokenizer.",
                {"candidate_ids": f"int32 (batch, {slots}, {top}): the most probable first", **filled}, rows,
            ),
            Signature(
                "embed_ids", self.embed_ids, ids,
                "embed for clients with their own tokenizer.",
                {"sequence_output": f"float32 (batch, {width}, {hidden}): the last layer; 0 at padding",
                 **vectors}, rows,
            ),
        ]  # fmt: skip
        if self.model.config.next_sentence:
            pair = tuple(tf.TensorSpec([None], tf.string, name=name) for name in ("text_a", "text_b"))
            found.append(
                Signature(
                    "next_sentence", self.next_sentence, pair, "Whether the second text follows the first.",
                    {"label": "string (batch): is_next or not_next",
                     "probability": "float32 (batch): that the second follows the first", **COUNTS}, PAIR_EXAMPLES,
                )
            )  # fmt: skip
        return found

    def _rows(self, texts: list[str]) -> dict[str, list[list[int]]]:
        """Texts as rows of ids of the full width."""
        tokens = self.model.tokenizer.tokenize(texts, mask_tokens=True)
        packed = self.texts.packer((tokens,))
        return {name: tf.cast(values, tf.int32).numpy().tolist() for name, values in packed.items()}

    def fill_mask(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Fill the `[MASK]`s of texts."""
        rows, counts, tokens = self.texts.pack(text, mask_tokens=True)
        ids, scores, positions = fill_masks(self.model, rows, self.top_k, self.mask_slots)
        masks = self.texts.count(tokens, self.model.tokenizer.mask_token_id)
        counts["truncated"] = tf.logical_or(counts["truncated"], masks > self.mask_slots)
        used = (positions >= 0)[:, :, tf.newaxis]
        return {
            "tokens": tf.where(used, self.texts.strings(ids), ""),
            "scores": scores,
            "positions": positions,
            **counts,
        }

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of texts."""
        rows, counts, _ = self.texts.pack(text)
        _, mean_pooled, cls = encode(self.model, rows)
        return {"mean_pooled": mean_pooled, "cls": cls, **counts}

    def tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """The tokens of texts, where they stand, cut to the model's length."""
        tokenizer = self.model.tokenizer
        found = tokenizer.tokenize_with_offsets(text, mask_tokens=True)
        count = tf.cast(found.token_ids.row_lengths(), tf.int32)
        room = self.length - 2
        batch = tf.shape(text)[0]

        def row(values: tf.RaggedTensor, first: int, last: int, padding: int) -> tf.Tensor:
            ends = [tf.fill([batch, 1], tf.constant(value, tf.int32)) for value in (first, last)]
            return tf.concat([ends[0], values[:, :room], ends[1]], axis=1).to_tensor(padding, shape=[None, self.length])

        token_ids = row(found.token_ids, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        is_token = tf.sequence_mask(tf.minimum(count, room) + 2, self.length)
        return {
            "token_ids": token_ids,
            "tokens": tf.where(is_token, self.texts.strings(token_ids), ""),
            "starts": row(found.starts, -1, -1, -1),
            "ends": row(found.ends, -1, -1, -1),
            "token_count": count,
            "truncated": count > room,
            "unknown_count": self.texts.count(found.token_ids, tokenizer.unk_token_id),
        }

    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Pseudo-log-likelihood of texts, in the memory that one pass over the batch takes."""
        rows, counts, _ = self.texts.pack(text)
        token_ids, lengths = rows["token_ids"], tf.reduce_sum(tf.cast(rows["padding_mask"], tf.int32), axis=1)
        width = tf.shape(token_ids)[1]

        def add_position(position: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            here = tf.equal(tf.range(width), position)[tf.newaxis, :]
            masked = tf.where(here, self.model.tokenizer.mask_token_id, token_ids)
            places = tf.fill([tf.shape(token_ids)[0], 1], position)
            logits = self.model({**rows, "token_ids": masked, "mask_positions": places}, training=False)["masked_lm"]
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(token_ids[:, position], logits[:, 0])
            return position + 1, total - tf.where(position < lengths - 1, loss, 0.0)

        _, total = tf.while_loop(
            lambda position, _: position < width - 1,
            add_position,
            (tf.constant(1), tf.zeros_like(lengths, tf.float32)),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
            parallel_iterations=1,
        )
        scored = tf.cast(tf.maximum(lengths - 2, 0), tf.float32)
        perplexity = tf.where(scored > 0, tf.exp(-total / tf.maximum(scored, 1.0)), 0.0)
        return {"log_likelihood": total, "pseudo_perplexity": perplexity, **counts}

    def next_sentence(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Whether the second texts follow the first."""
        rows, counts, _ = self.texts.pack(text_a, text_b)
        pooled = self.model.backbone(rows, training=False)["pooled_output"]
        head = self.model.next_sentence_head
        assert head is not None, "only a model with the head has this signature"
        probability = tf.nn.softmax(head(pooled))[:, 0]
        return {"label": tf.where(probability >= 0.5, "is_next", "not_next"), "probability": probability, **counts}

    def fill_mask_ids(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Fill the masks of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        ids, scores, positions = fill_masks(self.model, trimmed(rows), self.top_k, self.mask_slots)
        return {"candidate_ids": ids, "scores": scores, "positions": positions}

    def embed_ids(self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of rows of ids."""
        rows = trimmed({"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0})
        hidden, mean_pooled, cls = encode(self.model, rows)
        hidden *= tf.cast(rows["padding_mask"], tf.float32)[:, :, tf.newaxis]
        missing = self.length - tf.shape(hidden)[1]
        hidden = tf.ensure_shape(tf.pad(hidden, [[0, 0], [0, missing], [0, 0]]), [None, self.length, None])
        return {"sequence_output": hidden, "mean_pooled": mean_pooled, "cls": cls}
