"""A numbered folder: the next free number, and written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator

import tensorflow as tf

from keras_mlm.errors import InputError, RunError


def numbered(folder: str, version: int | None) -> str:
    """Return the path of a numbered folder that does not exist yet.

    Args:
        folder: str, where the numbered folders are.
        version: int, the number wanted; `None` for the one after the highest that exists.

    Returns:
        A str.

    Raises:
        InputError: the number exists, or is below 1.
    """
    version = next_version(folder) if version is None else version
    if version < 1:
        raise InputError(f"version must be at least 1, not {version}")
    path = tf.io.gfile.join(folder, str(version))
    if version in versions(folder):
        raise InputError(f"{path} exists: remove it, or give another --version than {version}")
    return path


def versions(folder: str) -> list[int]:
    """Return the numbers of a folder's numbered folders, the lowest first; none where there is no folder."""
    names = tf.io.gfile.listdir(folder) if tf.io.gfile.exists(folder) else []
    return sorted(int(name.rstrip("/")) for name in names if name.rstrip("/").isdecimal())


def next_version(*folders: str) -> int:
    """Return the number after the highest that any of the folders has."""
    return 1 + max((number for folder in folders for number in versions(folder)), default=0)


@contextlib.contextmanager
def written_aside(path: str) -> Iterator[str]:
    """Give a folder to write into that becomes `path` only when everything is written.

    Raises:
        RunError: the disk or the file system failed; nothing is left.
    """
    # TF Serving looks at every folder with a number for a name, as soon as it is there.
    aside = f"{path}.writing-{os.getpid()}"
    try:
        tf.io.gfile.makedirs(aside)
        yield aside
        tf.io.gfile.rename(aside, path)
    except (OSError, tf.errors.OpError) as error:
        raise RunError(f"{path} could not be written, nothing of it is left: {error}") from error
    finally:
        if tf.io.gfile.exists(aside):
            tf.io.gfile.rmtree(aside)
