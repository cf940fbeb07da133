"""The folder a prepared corpus is written to: finished, unfinished, or somebody else's."""

import contextlib
import errno
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from keras_mlm.data.manifest import MANIFEST_FILE, Manifest
from keras_mlm.data.worker_pool import WorkerDied
from keras_mlm.errors import InputError, Interrupted, RunError
from keras_mlm.settings import settings_difference

_OURS = re.compile(
    r"((training|validation)-\d{5,}\.tfrecord|vocab\.txt|(tokenizer|manifest|metrics)\.json)(\.partial)?"
)
# Where a preparation keeps what it has done so far.
WORK_FOLDER = ".partial"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def finished_corpus(folder: str, settings: dict[str, Any]) -> Manifest | None:
    """Return the manifest of a folder that was prepared with the same settings; `None` where it is to be prepared.

    Args:
        folder: str, a folder that need not exist.
        settings: dict of plain data, as in `Manifest.settings`.

    Raises:
        InputError: the folder holds a corpus with other settings (the message says which), or other files.
    """
    if not tf.io.gfile.exists(folder):
        return None
    if not tf.io.gfile.isdir(folder):
        raise InputError(f"{folder} is a file: name a folder to write to")
    names = _names(folder)
    if MANIFEST_FILE in names:
        manifest = Manifest.load(folder)
        difference = settings_difference(manifest.settings, settings)
        if difference:
            raise InputError(
                f"{folder} was prepared with other settings: {difference}; name another output or remove that folder"
            )
        for split in manifest.splits:
            manifest.shard_paths(folder, split)
        return manifest
    foreign = sorted(name for name in names if name != WORK_FOLDER and not _OURS.fullmatch(name))
    if foreign:
        raise InputError(f"{folder} holds other files ({', '.join(foreign[:3])}): name a new or empty folder")
    return None


@contextlib.contextmanager
def unfinished_corpus(folder: str) -> Iterator[str]:
    """Make a folder, without the shards of an earlier attempt, and in it one to work in, with what that had done.

    In the end the latter is removed. Whatever fails inside leaves nothing behind; but where parts are finished, those
    outlast Ctrl-C and the death of a worker, as they outlast that of this process.

    Args:
        folder: str, a folder that `finished_corpus` found nothing finished in.

    Returns:
        A context that gives the path of the folder to work in.

    Raises:
        RunError: the disk is full, or writing failed in another way.
        Interrupted: Ctrl-C.
    """
    made = _missing_folders(folder)
    work = tf.io.gfile.join(folder, WORK_FOLDER)
    try:
        tf.io.gfile.makedirs(work)
        _clear(folder)
        yield work
        tf.io.gfile.rmtree(work)
    except BaseException as error:
        kept = isinstance(error, KeyboardInterrupt | WorkerDied) and _has_parts(work)
        # What cannot be removed has no manifest, so it counts for nothing.
        with contextlib.suppress(tf.errors.OpError):
            _clear(folder)
            if not kept and tf.io.gfile.exists(work):
                tf.io.gfile.rmtree(work)
            for path in made:
                if not _names(path):
                    tf.io.gfile.rmtree(path)
        explained = _explained(error, folder, kept)
        if explained is None:
            raise
        raise explained from error


def _has_parts(work: str) -> bool:
    return any(re.fullmatch(r"part-.*\.json", name) for name in _names(work))


def _explained(error: BaseException, folder: str, kept: bool) -> BaseException | None:
    if isinstance(error, tf.errors.OpError):
        return RunError(f"writing to {folder} failed: {error.message.splitlines()[0]}")
    if isinstance(error, sqlite3.OperationalError):
        return RunError(f"a temporary file could not be written ({error}): free some space or set TMPDIR")
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return RunError(f"writing to {folder} failed: {error.strerror}; nothing was kept")
    if isinstance(error, KeyboardInterrupt) and not isinstance(error, Interrupted):
        if kept:
            return Interrupted(f"what is finished is kept in {folder}; the same command goes on")
        return Interrupted(f"nothing was kept in {folder}; the same command starts again")
    return None


def _missing_folders(folder: str) -> list[str]:
    """Return the folder and those above it that do not exist yet, the innermost first."""
    missing = []
    while folder and not tf.io.gfile.exists(folder):
        missing.append(folder)
        folder = folder.rstrip("/").rpartition("/")[0]
    return missing


def _clear(folder: str) -> None:
    for name in _names(folder):
        if _OURS.fullmatch(name):
            tf.io.gfile.remove(tf.io.gfile.join(folder, name))


def _names(folder: str) -> list[str]:
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
