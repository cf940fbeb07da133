"""Makes rows of the spans of a group: of one text, of a pair or of several."""

from collections.abc import Callable

import tensorflow as tf

from keras_mlm.data.mask_rate import MaskRate
from keras_mlm.data.row_group import RowGroup
from keras_mlm.data.row_packing import SPECIAL
from keras_mlm.layers.preprocessing.next_sentence_pair_generator import NextSentencePairGenerator
from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker


class RowBuilder:
    """Pairs and packs rows by their keys, and gives them what their masks need.

    Args:
        packer: `SegmentPacker`.
        pairs: `NextSentencePairGenerator`, of groups that have a pool of sentences.
        rate: `MaskRate`; `None` for one that does not change.
        weights: callable that returns weights of parts of speech; `None` for all alike.
    """

    def __init__(
        self, packer: SegmentPacker, pairs: NextSentencePairGenerator, rate: MaskRate | None,
        weights: Callable[[tf.Tensor], tf.Tensor] | None,
    ) -> None:  # fmt: skip
        self._packer = packer
        self._pairs = pairs
        self._rate = rate
        self._weights = weights

    def __call__(
        self, epoch: tf.Tensor, rows: RowGroup, chosen: tf.Tensor, example_index: tf.Tensor, steps: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Return some rows of a group.

        Args:
            epoch: int64 scalar.
            rows: `RowGroup`.
            chosen: int32 `(batch,)`, which rows of the group.
            example_index: int64 `(batch,)`, their ordinals in the split.
            steps: int64 `(batch,)`, the steps that they belong to.

        Returns:
            Dict of what `SegmentPacker` gives, labels, keys, and what masks are made by.
        """
        epochs = tf.fill(tf.shape(example_index), epoch)
        keys = {"example_index": example_index, "epoch": epochs}
        labels = {}
        if rows.splits is not None:
            begins = tf.gather(rows.splits, chosen)
            spans = tf.raw_ops.RaggedRange(
                starts=begins, limits=tf.gather(rows.splits, chosen + 1), deltas=1, Tsplits=tf.int32
            )
            starts, lengths = (tf.gather(part, spans.rt_dense_values) for part in (rows.starts, rows.lengths))
            packed = self._packer.pack_rows(
                rows.tokens, rows.words, starts, lengths, spans.rt_nested_splits, rows.pos_ids
            )
        else:
            starts, lengths = tf.gather(rows.starts, chosen), tf.gather(rows.lengths, chosen)
            keys["document_id"] = documents = tf.gather(rows.documents, chosen)
            first, second = (starts, lengths), None
            if rows.pool is not None:
                pairs = self._pairs.pair_spans(rows.pool, starts, lengths, documents, epoch, example_index)
                first, second = pairs.first, pairs.second
                labels = {
                    "next_sentence_labels": pairs.labels,
                    "next_sentence_weights": pairs.weights,
                    "without_negative": pairs.without_negative,
                }
            packed = self._packer.pack_spans(rows.tokens, rows.words, first, second, rows.pos_ids)
        hints = {} if self._rate is None else {"mask_selection_rate": self._rate(steps)}
        if self._weights is not None:
            hints["selection_weights"] = self._weights(packed["pos_ids"])
        return {**packed, **labels, **keys, **hints}

    def most_tokens(self, rows: RowGroup) -> tf.Tensor:
        """Return the most tokens, int32, that each row of a group that is one text or a pair comes to have."""
        if rows.pool is None:
            return rows.lengths + SPECIAL
        return self._pairs.most_tokens(rows.pool, rows.starts, rows.lengths) + SPECIAL + 1

    def fill_up(self, batch: dict[str, tf.Tensor], batch_size: int) -> dict[str, tf.Tensor]:
        """Return a batch with empty rows, whose keys are -1, behind its own."""
        missing = batch_size - tf.shape(batch["token_ids"])[0]
        fill = {"token_ids": self._packer.pad_value, "example_index": -1, "epoch": -1, "document_id": -1}

        def full(name: str, part: tf.Tensor) -> tf.Tensor:
            shape = tf.concat([[missing], tf.shape(part)[1:]], 0)
            part = tf.concat([part, tf.fill(shape, tf.cast(fill.get(name, 0), part.dtype))], 0)
            return tf.ensure_shape(part, [batch_size, *part.shape[1:]])

        return {name: full(name, part) for name, part in batch.items()}
