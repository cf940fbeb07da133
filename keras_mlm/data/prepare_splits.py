"""The training half of a corpus, split by split, in as many processes as there are cores, from where it stopped."""

import dataclasses
import hashlib
import json
import logging
import os
import pickle
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_mlm
from keras_mlm.data.document_spool import DocumentSpool
from keras_mlm.data.manifest import Split
from keras_mlm.data.prepared_part import PreparedPart, records_in
from keras_mlm.data.progress import progress_bar
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.split_preparer import SplitPreparer, SplitTask
from keras_mlm.data.token_record import parse_record, serialize_record
from keras_mlm.data.worker_pool import WorkerPool
from keras_mlm.environment import UNUSED_PACKAGES
from keras_mlm.tokenizers.annotator import Annotator

logger = logging.getLogger(__name__)

# A process takes up to eight seconds of a core to load TensorFlow, in which this one gets through as much text.
CHARACTERS_A_WORKER = 60_000_000
ANNOTATED_CHARACTERS_A_WORKER = 8_000_000


def split_tasks(spool: DocumentSpool, first_ids: Sequence[int], folder: str, made_by: Sequence[Any]) -> list[SplitTask]:
    """Return what is to be done for each split of a spool.

    Args:
        spool: `DocumentSpool`.
        first_ids: sequence of int, the id of each split's first training document.
        folder: str, where the parts go.
        made_by: sequence of plain data, what else decides the content of the parts.

    Returns:
        list of `SplitTask`. Parts are named after all that decides their content, so that one which is there already
        is the right one.
    """
    return [
        SplitTask(
            number, split, first_id, tf.io.gfile.join(folder, f"part-{identity(*made_by, split.digest, first_id)[:24]}")
        )
        for number, (split, first_id) in enumerate(zip(spool.splits, first_ids, strict=False), 1)
    ]


def identity(*things: Any) -> str:
    """Return a hash of plain data and of this package's version."""
    return hashlib.sha256(json.dumps([keras_mlm.__version__, *things]).encode()).hexdigest()


def workers_for(characters: int, annotator: Annotator | None) -> int:
    """Return how many processes prepare so much text: as many as there are cores and enough text for, or 1."""
    enough = CHARACTERS_A_WORKER if annotator is None else ANNOTATED_CHARACTERS_A_WORKER
    return max(1, min(len(os.sched_getaffinity(0)), characters // enough))


def worker_pool(workers: int, annotator: Annotator | None) -> WorkerPool:
    """Return the processes that will prepare splits; they load what they need while this one does something else.

    Args:
        workers: int, how many processes. An annotator that cannot be sent to them works in this one.
        annotator: `Annotator`, or `None`.

    Returns:
        `WorkerPool`.
    """
    if not _can_travel(annotator):
        workers = 1
    return WorkerPool(workers, SplitPreparer.__module__, UNUSED_PACKAGES if annotator is None else ())


def prepare_splits(
    tasks: Sequence[SplitTask], folder: str, annotator: Annotator | None, pool: WorkerPool, runner: str | None
) -> None:
    """Make the parts that are not there yet.

    Args:
        tasks: sequence of `SplitTask`.
        folder: str, where the parts, the tokenizer and the held-out documents are.
        annotator: `Annotator`, or `None`.
        pool: `WorkerPool` that makes them.
        runner: str, a runner of Apache Beam that does it instead; or `None`.

    Raises:
        WorkerDied: a process died.
        InputError: what the annotator returned is not what it got.
    """
    _tidy(tasks, folder)
    left = [task for task in tasks if not PreparedPart.is_finished(task.path)]
    if len(left) < len(tasks):
        logger.info("%d of %d splits are finished; going on with the others", len(tasks) - len(left), len(tasks))
    preparer = SplitPreparer(folder, annotator)
    characters = sum(task.split.characters for task in left)
    if runner is not None:
        from keras_mlm.data.beam_pipeline import run_on_beam

        run_on_beam(preparer, left, runner)
        return
    with progress_bar("Tokenizing", characters, "characters") as bar:
        for task in pool.run(preparer, left):
            bar.update(task.split.characters)


def join_parts(
    tasks: Sequence[SplitTask], writer: ShardWriter, token_dtype: str, tags: dict[str, int]
) -> tuple[Split, int, set[str]]:
    """Put the records of all parts into shards, in the order of their documents.

    Args:
        tasks: sequence of `SplitTask` whose parts are finished.
        writer: `ShardWriter` of the training half; it is closed.
        token_dtype: `"uint16"` or `"int32"`.
        tags: dict that the parts of speech and their ids, from 1 on, are put into.

    Returns:
        The half as a `Split`, how many of its tokens are [UNK], and the held-out sentences that it contains.
    """
    documents = sentences = unknown = 0
    seen: set[str] = set()
    for task in tasks:
        part = PreparedPart.load(task.path)
        own = [tags.setdefault(tag, len(tags) + 1) for tag in part.tags]
        # Ids of tags are given in the order in which a corpus has them, which a part does not know.
        ids = None if own == list(range(1, len(own) + 1)) else np.array([0, *own], np.uint8)
        for data, tokens in zip(records_in(task.path + ".tfrecord"), part.record_tokens, strict=True):
            writer.write_serialized(data if ids is None else _with_tags(data, token_dtype, ids), tokens)
        documents += part.documents
        sentences += part.sentences
        unknown += part.unknown_tokens
        seen.update(part.seen)
    writer.close()
    return Split(documents, sentences, sum(shard.tokens for shard in writer.shards), writer.shards), unknown, seen


def _with_tags(data: bytes, token_dtype: str, ids: np.ndarray) -> bytes:
    record = parse_record(data, token_dtype)
    assert record.pos_ids is not None
    return serialize_record(dataclasses.replace(record, pos_ids=ids[record.pos_ids]), token_dtype)


def _can_travel(annotator: Annotator | None) -> bool:
    """Return whether another process can have an annotator.

    It cannot have what a script or a notebook defines, nor a model, which Keras pickles without its tokenizer.
    """
    if isinstance(getattr(annotator and annotator.annotate, "__self__", None), keras.Model):
        return False
    try:
        data = pickle.dumps(annotator)
    except Exception:
        return False
    return b"__main__" not in data


def _tidy(tasks: Sequence[SplitTask], folder: str) -> None:
    """Remove the parts of an earlier attempt that are of no use, and say where its text was another one."""
    wanted = {task.path.rsplit("/", 1)[-1] for task in tasks}
    changed = []
    for name in sorted(tf.io.gfile.listdir(folder)):
        stem = name.split(".")[0]
        if not name.startswith("part-") or (stem in wanted and not name.endswith(".partial")):
            continue
        path = tf.io.gfile.join(folder, name)
        if name.endswith(".json"):
            part = PreparedPart.load(path.removesuffix(".json"))
            if part.number > len(tasks) or part.split_digest != tasks[part.number - 1].split.digest:
                changed.append(part.number)
        tf.io.gfile.remove(path)
    if changed:
        logger.warning(
            "the text changed since the preparation that was stopped, at or after %s: what is different is done again",
            tasks[min(min(changed), len(tasks)) - 1],
        )
