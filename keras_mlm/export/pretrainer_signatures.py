"""What only a served pre-trained model can be asked: masks, how probable a text is, what follows what."""

import tensorflow as tf

from keras_mlm.export.encoder_signatures import PAIR, PAIR_EXAMPLES, TEXT, EncoderSignatures
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.pretrainer_answers import fill_masks
from keras_mlm.export.signature import Signature
from keras_mlm.export.text_rows import COUNTS, trimmed
from keras_mlm.models.bert_pretrainer import BertPretrainer


class PretrainerSignatures(EncoderSignatures):
    """The signatures of a `BertPretrainer`; the first of `all()` is also `serving_default`.

    Args:
        model: BertPretrainer with a tokenizer.
        options: ExportOptions.
    """

    mask_tokens = True
    examples = (
        "The [MASK] is open.",
        "今天的[MASK]气很好。",
        "We met at the [MASK] in the morning and walked along the river until it was [MASK].",
    )

    def __init__(self, model: BertPretrainer, options: ExportOptions) -> None:
        super().__init__(model, options)
        options.check_masks(model.config.vocabulary_size)

    def all(self) -> list[Signature]:
        """The signatures that the model has heads for."""
        slots, top = self.options.mask_slots, self.options.top_k
        texts = {"text": self.examples}
        filled = {
            "scores": f"float32 (batch, {slots}, {top}): their probabilities; 0 in unused slots",
            "positions": f"int32 (batch, {slots}): the mask's place among the tokens, [CLS] being 0; -1 if unused",
        }
        found = [
            Signature(
                "fill_mask", self.fill_mask, TEXT,
                "Candidates for every [MASK] of a text; `truncated` is true too where masks outnumber the slots.",
                {"tokens": f'string (batch, {slots}, {top}): the most probable first; "" in unused slots',
                 **filled, **COUNTS}, texts,
            ),
            *self.shared(),
            Signature(
                "score", self.score, TEXT,
                "How probable the model finds a text, each token masked on its own.",
                {"log_likelihood": "float32 (batch): sum of the tokens' log probabilities, of the cut text",
                 "pseudo_perplexity": "float32 (batch): exp of the mean loss a token; 0 without any token",
                 **COUNTS}, texts,
            ),
            Signature(
                "fill_mask_ids", self.fill_mask_ids, self.id_specs(),
                "fill_mask for clients with their own tokenizer.",
                {"candidate_ids": f"int32 (batch, {slots}, {top}): the most probable first", **filled},
                self.id_examples(),
            ),
        ]  # fmt: skip
        if self.model.config.next_sentence:
            found.append(
                Signature(
                    "next_sentence", self.next_sentence, PAIR, "Whether the second text follows the first.",
                    {"label": "string (batch): is_next or not_next",
                     "probability": "float32 (batch): that the second follows the first", **COUNTS}, PAIR_EXAMPLES,
                )
            )  # fmt: skip
        return found

    def fill_mask(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Fill the `[MASK]`s of texts."""
        rows, counts, tokens = self.texts.pack(text, mask_tokens=True)
        ids, scores, positions = fill_masks(self.model, rows, self.options.top_k, self.options.mask_slots)
        masks = self.texts.count(tokens, self.model.tokenizer.mask_token_id)
        counts["truncated"] = tf.logical_or(counts["truncated"], masks > self.options.mask_slots)
        used = (positions >= 0)[:, :, tf.newaxis]
        return {
            "tokens": tf.where(used, self.texts.strings(ids), ""),
            "scores": scores,
            "positions": positions,
            **counts,
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
        first = tf.zeros_like(rows["token_ids"][:, :1])  # all that the pooler reads
        pooled = self.model.backbone(rows, training=False, output_positions=first)["pooled_output"]
        head = self.model.next_sentence_head
        assert head is not None, "only a model with the head has this signature"
        probability = tf.nn.softmax(head(pooled))[:, 0]
        return {"label": tf.where(probability >= 0.5, "is_next", "not_next"), "probability": probability, **counts}

    def fill_mask_ids(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Fill the masks of rows of ids."""
        rows = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask > 0}
        ids, scores, positions = fill_masks(self.model, trimmed(rows), self.options.top_k, self.options.mask_slots)
        return {"candidate_ids": ids, "scores": scores, "positions": positions}
