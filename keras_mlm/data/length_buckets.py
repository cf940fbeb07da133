"""Batches of rows of similar length, of which little is padding."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_mlm.config import PretrainingConfig
from keras_mlm.data.manifest import Split
from keras_mlm.data.row_plan import hash_order
from keras_mlm.data.row_reader import OrderedRows
from keras_mlm.layers.preprocessing import random_bits

_IN_SLOTS = ("mask_positions", "mask_ids", "mask_weights")


class LengthBuckets:
    """Puts rows of similar length into each batch, which is then only as wide as the bound of its bucket.

    The bounds are the length's equal parts. A group's rows fill batches bucket by bucket, the longest first and each
    bucket in its random order; where the rows of one do not fill its last batch, the next shorter ones do. The batches
    come in an order of their own. A batch that begins in one group and ends in the next has the whole length, for
    neither knows the other's rows, and is made of the longest ones. All of that is a function of the seed and of the
    batch size, so that every worker has the same width at a step.

    Args:
        config: `PretrainingConfig`, of which length, batch size, masks and `length_buckets` are read.
        seed: int, of the order of the batches.

    Attributes:
        bounds: list of int, the lengths of rows that there are.

    Example:
        ```python
        LengthBuckets(PretrainingConfig(length=128, length_buckets=4, steps=1), 0).bounds  # [32, 64, 96, 128]
        ```
    """

    def __init__(self, config: PretrainingConfig, seed: int) -> None:
        count = config.length_buckets
        self.bounds = [-(-config.length * part // count) for part in range(1, count + 1)]
        self._batch_size = config.batch_size
        self._seed = seed
        # A shorter row has fewer masks, and every slot costs a look at the whole vocabulary.
        one = dataclasses.replace(config, length_buckets=1, mask_selection_length=None)
        wanted = [dataclasses.replace(one, length=bound).predictions for bound in self.bounds]
        self._slots = [min(config.predictions, slots) for slots in wanted]

    def arrange(self, group: OrderedRows, tokens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the order of a group's rows, int32, and the bucket of each one's batch, int32.

        Args:
            group: `OrderedRows`.
            tokens: int32 `(rows,)`, the most tokens that each row can have.
        """
        size, longest = self._batch_size, len(self.bounds) - 1
        buckets = tf.searchsorted(self.bounds, tf.gather(tokens, group.order))
        by_bucket = tf.argsort(-buckets, stable=True)
        count = tf.size(by_bucket, tf.int64)
        head = tf.minimum(-group.position % size, count)
        shared = head + (count - head) % size
        whole = tf.reshape(by_bucket[shared:], [-1, size])
        first = (group.position + head) // size
        numbers = first + tf.range(tf.shape(whole, tf.int64)[0])
        whole = tf.gather(whole, hash_order(self._seed, random_bits.BATCH_ORDER, tf.constant(0, tf.int64), numbers))
        arranged = tf.concat([by_bucket[:head], tf.reshape(whole, [-1]), by_bucket[head:shared]], 0)
        of_whole = tf.repeat(tf.gather(buckets, whole[:, 0]), size)
        of_shared = tf.fill(tf.reshape(shared, [1]), longest)
        return tf.gather(group.order, arranged), tf.concat([of_shared[:head], of_whole, of_shared[head:]], 0)

    def cut(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return a batch without the padding and the mask slots behind the bound of its `length_bucket`."""
        bucket = batch["length_bucket"][0]
        length, slots = tf.gather(self.bounds, bucket), tf.gather(self._slots, bucket)
        return {
            name: part if part.shape.rank == 1 else part[:, : slots if name in _IN_SLOTS else length]
            for name, part in batch.items()
            if name != "length_bucket"
        }

    def mean_length(self, split: Split, width: int) -> float:
        """Return how many tokens a row has on average, padding included, but for what batches are filled up with.

        Args:
            split: `Split`.
            width: int, tokens of content in a row.
        """
        lengths, counts = np.concatenate([np.reshape(shard.record_lengths, [-1, 2]) for shard in split.shards]).T
        whole, rest = np.divmod(lengths, width)
        bounds = np.array(self.bounds)
        last = np.where(rest, bounds[np.searchsorted(bounds, rest + bounds[-1] - width)], 0)
        return float(counts @ (whole * bounds[-1] + last) / (counts @ (whole + (rest > 0))))
