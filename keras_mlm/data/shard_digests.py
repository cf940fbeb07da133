"""What a corpus is told apart by, shard by shard, so that a run is not continued on another one."""

import hashlib
from typing import Any

import tensorflow as tf

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.token_record import damaged_shard

# Up to this size the files are read; the shards of a larger corpus are told apart by their size and counts.
READ_BYTES = 1 << 30


def corpus_settings(manifest: Manifest, folder: str) -> dict[str, Any]:
    """Return what a run keeps of its corpus: the vocabulary's hash, the number of training tokens, `shard_digests`."""
    tokens = manifest.splits["training"].tokens
    digests = shard_digests(manifest, folder)
    return {"vocabulary_hash": manifest.vocabulary_hash, "tokens": tokens, "shards": digests}


def shard_digests(manifest: Manifest, folder: str) -> dict[str, str]:
    """Return a short digest of each training shard by its file's name.

    Args:
        manifest: `Manifest` of the corpus.
        folder: str, where it lies.

    Returns:
        Dict of str to 16 hexadecimal digits.

    Raises:
        InputError: a shard cannot be read; the message names it.

    Example:
        ```python
        shard_digests(Manifest.load("data/news"), "data/news")  # {"training-00000.tfrecord": "9f1c…", …}
        ```
    """
    shards = manifest.splits["training"].shards
    read = sum(shard.bytes for shard in shards) <= READ_BYTES
    digests = {}
    for shard in shards:
        if read:
            path = tf.io.gfile.join(folder, shard.file)
            try:
                with tf.io.gfile.GFile(path, "rb") as file:
                    content = file.read()
            except tf.errors.OpError as error:
                raise damaged_shard(path) from error
        else:
            content = repr(shard).encode()
        digests[shard.file] = hashlib.sha256(content).hexdigest()[:16]
    return digests
