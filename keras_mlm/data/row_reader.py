"""Reads the rows of a prepared split, group by group, in the order of every epoch."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.progress import progress_bar
from keras_mlm.data.row_group import RowGroup, pack_row_group, read_row_group
from keras_mlm.data.row_packing import SPECIAL
from keras_mlm.data.row_plan import RowPlan, hash_order
from keras_mlm.data.token_record import damaged_shard
from keras_mlm.layers.preprocessing import random_bits


class OrderedRows(NamedTuple):
    """The rows of a group and their order.

    Args:
        number: int64 scalar, the group's, counted through all epochs.
        epoch: int64 scalar.
        rows: `RowGroup`.
        index: int64 `(rows,)`, the rows' ordinals in the split.
        order: int32 `(rows,)`, the permutation in which they are used.
        position: int64 scalar, the place of the first one in the endless stream of rows.
    """

    number: tf.Tensor
    epoch: tf.Tensor
    rows: RowGroup
    index: tf.Tensor
    order: tf.Tensor
    position: tf.Tensor


class RowReader:
    """Reads a split as rows of one width.

    Args:
        folder: str, the prepared corpus.
        manifest: `Manifest` of it.
        split: str, `"training"` or `"validation"`.
        width: int, tokens of content in a row that is one span.
        seed: int, of the order; `None` for that of the manifest.
        packed: bool, whether several spans share a row.
        special_ids: sequence of int, ids to put in front of the tokens of a group.
        special_word_starts: their word starts; `None` leaves word starts out.
        parts_of_speech: bool, whether groups have those of their tokens.
        sentences: bool, whether groups have a pool of sentences.

    Attributes:
        plan: `RowPlan`.

    Raises:
        InputError: a shard is missing or has another size.
    """

    def __init__(
        self, folder: str, manifest: Manifest, split: str, *, width: int, seed: int | None, packed: bool,
        special_ids: Sequence[int], special_word_starts: Sequence[bool] | None, parts_of_speech: bool, sentences: bool,
    ) -> None:  # fmt: skip
        self.plan = RowPlan.make(manifest.splits[split], width, seed, packed=packed)
        self._paths = manifest.shard_paths(folder, split)
        self._token_dtype = manifest.token_dtype
        self._width = width
        self._seed = seed
        self._packed = packed
        self._special_ids = special_ids
        self._special_word_starts = special_word_starts
        self._parts_of_speech = parts_of_speech
        self._sentences = sentences

    def check_shards(self) -> None:
        """Read every shard once. Raises `InputError` that names the first damaged one."""
        # A partial: of a method, TensorFlow counts the tracings of all readers together, and warns.
        read = tf.function(functools.partial(self._read), autograph=False)
        with progress_bar("Checking", len(self._paths), "shards") as bar:
            for number, path in enumerate(self._paths):
                try:
                    with tf.device("cpu:0"):
                        read(tf.constant([number]))
                except tf.errors.OpError as error:
                    raise damaged_shard(path) from error
                bar.update()

    def load(self, group: tf.Tensor) -> OrderedRows:
        """Read a group, counted through all epochs, and put its rows into their order."""
        plan = self.plan
        epoch, place = group // plan.groups, group % plan.groups
        bounds = tf.constant(plan.group_bounds)
        all_shards = plan.shard_order(epoch)
        shards = all_shards[bounds[place] : bounds[place + 1]]
        before = tf.reduce_sum(tf.gather(plan.rows, all_shards[: bounds[place]]))
        rows = self._read(shards)
        counts = tf.gather(plan.rows, shards)
        shift = tf.gather(plan.first_rows, shards) - tf.cumsum(counts, exclusive=True)
        index = tf.range(tf.reduce_sum(counts)) + tf.repeat(shift, counts)
        order = tf.range(tf.size(index))
        if self._seed is not None:
            order = hash_order(self._seed, random_bits.ROW_ORDER, epoch, index)
        return OrderedRows(group, epoch, rows, index, order, epoch * plan.epoch_rows + before)

    def _read(self, shards: tf.Tensor) -> RowGroup:
        plan = self.plan
        rows = read_row_group(
            tf.gather(self._paths, shards),
            tf.reduce_sum(tf.gather(plan.records, shards)),
            tf.reduce_sum(tf.gather(plan.tokens, shards)),
            token_dtype=self._token_dtype,
            width=self._width,
            special_ids=self._special_ids,
            special_word_starts=self._special_word_starts,
            parts_of_speech=self._parts_of_speech,
            sentences=self._sentences,
        )
        if not self._packed:
            return rows
        wanted = tf.reduce_sum(tf.gather(plan.rows, shards))
        return pack_row_group(rows, tf.gather(plan.spans, shards), wanted, self._width + SPECIAL)
