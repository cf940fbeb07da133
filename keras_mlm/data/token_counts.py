"""Counts how often each token occurs in the training half of a prepared corpus."""

import logging

import numpy as np
import tensorflow as tf

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.token_record import TOKEN_DTYPES, damaged_shard

logger = logging.getLogger(__name__)

# More is counted from evenly spread shards, which says as much about what is frequent.
_MOST_TOKENS = 50_000_000


def token_counts(folder: str, manifest: Manifest) -> np.ndarray:
    """Return the counts of all tokens of the training split.

    Args:
        folder: str, the prepared corpus. Of more than 50 million tokens, evenly spread shards are counted.
        manifest: `Manifest` of it.

    Returns:
        int64 array `(vocabulary_size,)`.

    Raises:
        InputError: a shard is missing or damaged; the message names it.

    Example:
        ```python
        counts = token_counts("data/news", Manifest.load("data/news"))
        ```
    """
    paths = manifest.shard_paths(folder, "training")
    every = -(-manifest.splits["training"].tokens // _MOST_TOKENS) or 1
    if every > 1:
        logger.info("The tokens of one in %d training shards are counted", every)
    counts = np.zeros(manifest.vocabulary_size, np.int64)
    schema = {"token_ids": tf.io.FixedLenFeature([], tf.string)}
    for path in paths[::every]:
        try:
            with tf.device("cpu:0"):
                for records in tf.data.TFRecordDataset(path).batch(4096):
                    data = tf.strings.reduce_join(tf.io.parse_example(records, schema)["token_ids"]).numpy()
                    ids = np.frombuffer(data, TOKEN_DTYPES[manifest.token_dtype])
                    counts += np.bincount(ids, minlength=len(counts))
        except (tf.errors.OpError, ValueError) as error:
            raise damaged_shard(path) from error
    return counts
