"""What `fit` is given of masked rows, in an order that nothing may change."""

from typing import Any

import tensorflow as tf

from keras_mlm.data.untuned import untuned
from keras_mlm.errors import InputError

# Nothing here branches on a tensor, and looking for that takes longer than all the rest of building a pipeline.
as_it_is = tf.autograph.experimental.do_not_convert
# Batches that are ready before the model wants them; no more, as masks may depend on the step.
STEPS_AHEAD = 8
_INPUTS = ("token_ids", "segment_ids", "padding_mask", "position_ids", "sequence_ids", "mask_positions")


def share_of_batch(batch_size: int, worker: int, workers: int) -> int:
    """Return how many rows of a batch are one worker's. Raises `InputError` where it has no equal share."""
    if batch_size % workers or not 0 <= worker < workers:
        raise InputError(f"worker {worker} of {workers} has no equal share of a batch of {batch_size} rows")
    return batch_size // workers


def in_order(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    """Return a dataset of so many batches that no strategy shards and no optimization makes too early."""
    options = tf.data.Options()
    options.deterministic = True
    # As far ahead as it likes, although masks may depend on what the model learned some hundred steps before.
    options.experimental_optimization.inject_prefetch = False
    # Replicas share out every batch; sharding the files would change which rows a batch holds.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return untuned(dataset.apply(tf.data.experimental.assert_cardinality(steps)).with_options(options))


def fit_batches(keyed: tf.data.Dataset) -> tf.data.Dataset:
    """Return batches of keyed rows, a Dataset of dicts, as `(x, y, sample_weight)`."""
    return keyed.map(as_it_is(_to_fit)).prefetch(STEPS_AHEAD)


def _to_fit(batch: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    x = {name: batch[name] for name in _INPUTS if name in batch}
    y, weights = {"masked_lm": batch["mask_ids"]}, {"masked_lm": batch["mask_weights"]}
    if "next_sentence_labels" in batch:
        y["next_sentence"] = batch["next_sentence_labels"]
        weights["next_sentence"] = batch["next_sentence_weights"]
    return x, y, weights
