"""Which rows an epoch has and where they lie: arithmetic on the manifest, before anything is read."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_mlm.data.manifest import Shard, Split
from keras_mlm.data.row_packing import SPECIAL, pack
from keras_mlm.layers.preprocessing import random_bits

# A group of shards is read at once: rows are permuted inside it and negatives come from it.
GROUP_TOKENS = 1_000_000


@dataclasses.dataclass(frozen=True)
class RowPlan:
    """The rows of one split at one width, and the groups of shards they are read in.

    A record of n tokens gives ceil(n / width) rows; where rows are packed, the spans of a shard share as few rows as
    `pack` finds. Epoch by epoch the shards are permuted by (seed, epoch) and read in groups of whole shards; without
    shuffling they keep their order.

    Args:
        records: int64 array `(shards,)`, records a shard.
        tokens: int64 array `(shards,)`, tokens a shard.
        spans: int64 array `(shards,)`, into how many spans of at most a row a shard's records are cut.
        texts: int64 array `(shards,)`, how many texts its rows hold; more than `spans` where packing cuts.
        rows: int64 array `(shards,)`, rows a shard.
        first_rows: int64 array `(shards,)`, the ordinal in the split of a shard's first row.
        group_bounds: int64 array `(groups + 1,)`, places in the order of shards where groups begin and end.
        seed: int, or `None` for the order of the manifest.
    """

    records: np.ndarray
    tokens: np.ndarray
    spans: np.ndarray
    texts: np.ndarray
    rows: np.ndarray
    first_rows: np.ndarray
    group_bounds: np.ndarray
    seed: int | None

    @classmethod
    def make(cls, split: Split, width: int, seed: int | None, *, packed: bool = False) -> "RowPlan":
        """Return the plan of a split for rows of `width` tokens of content, packed or each a span by itself."""
        spans = np.array(
            [sum(-(-length // width) * count for length, count in shard.record_lengths) for shard in split.shards],
            np.int64,
        )
        rows = texts = spans
        if packed:
            packings = (pack(_span_lengths(shard, width), width + SPECIAL) for shard in split.shards)
            sizes = [(len(packing.splits) - 1, len(packing.lengths)) for packing in packings]
            rows, texts = np.array(sizes, np.int64).T
        tokens = np.array([shard.tokens for shard in split.shards], np.int64)
        # Two shards at least, so that a group seldom consists of one document.
        shards_a_group = max(2, int(GROUP_TOKENS * len(tokens) // max(1, tokens.sum())))
        groups = max(1, len(tokens) // shards_a_group)
        return cls(
            records=np.array([shard.records for shard in split.shards], np.int64),
            tokens=tokens,
            spans=spans,
            texts=texts,
            rows=rows,
            first_rows=np.cumsum(rows) - rows,
            group_bounds=np.arange(groups + 1) * len(tokens) // groups,
            seed=seed,
        )

    @property
    def groups(self) -> int:
        """The number of groups of an epoch."""
        return len(self.group_bounds) - 1

    @property
    def epoch_rows(self) -> int:
        """The number of rows of an epoch."""
        return int(self.rows.sum())

    @property
    def tokens_a_row(self) -> float:
        """How many of a row's tokens are no padding, on average, with [CLS] and [SEP] around each text."""
        return (int(self.tokens.sum()) + SPECIAL * int(self.texts.sum())) / self.epoch_rows

    def shard_order(self, epoch: tf.Tensor) -> tf.Tensor:
        """Return the order of the shards in an epoch, int32 `(shards,)`."""
        shards = tf.range(len(self.rows))
        if self.seed is None:
            return shards
        return hash_order(self.seed, random_bits.SHARD_ORDER, epoch, shards)

    def find_row(self, row: int) -> tuple[int, int]:
        """Return the group, counted through all epochs, that holds a row of the endless stream, and its place there."""
        epoch, place = divmod(row, self.epoch_rows)
        order = self.shard_order(tf.constant(epoch, tf.int64)).numpy()
        before = np.concatenate([[0], np.cumsum(self.rows[order])])[self.group_bounds]
        group = int(np.searchsorted(before, place, side="right")) - 1
        return epoch * self.groups + group, int(place - before[group])


def _span_lengths(shard: Shard, width: int) -> np.ndarray:
    lengths, counts = np.array(shard.record_lengths, np.int64).reshape(-1, 2).T
    whole = np.full(int((lengths // width * counts).sum()), width)
    rest = np.repeat(lengths % width, counts)
    return np.concatenate([whole, rest[rest > 0]])


def hash_order(seed: int, stream: int, epoch: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Return the permutation, int32, that sorts a run of things by their hashes."""
    keys = random_bits.row_keys(stream, seed, epoch, index)
    return tf.argsort(tf.cast(keys, tf.int64), stable=True)
