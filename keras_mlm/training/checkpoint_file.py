"""One checkpoint in one file: arrays and a little plain data in NumPy's `.npz`, no pickle."""

import io
import json
import struct
import zipfile
from typing import Any

import numpy as np
import tensorflow as tf

_STATE = "state.json"


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be read: cut short, or bytes changed."""


class _WriteOnly(io.RawIOBase):
    """A file as `zipfile` takes one it cannot seek in, which a `GFile` is while it is written."""

    def __init__(self, file: tf.io.gfile.GFile) -> None:
        super().__init__()
        self._file = file

    def write(self, data: Any) -> int:
        """Write bytes or a view of them, and return how many."""
        data = bytes(data)
        self._file.write(data)
        return len(data)


def write_checkpoint(path: str, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> None:
    """Write a checkpoint aside and rename it, so that a file of this name is always whole.

    Args:
        path: str, the file to write; its folder exists.
        arrays: dict of name to array.
        state: dict of plain data.

    Raises:
        OSError, tf.errors.OpError: the file could not be written; nothing of it is left.
    """
    partial = path + ".partial"
    try:
        with (
            tf.io.gfile.GFile(partial, "wb") as file,
            zipfile.ZipFile(_WriteOnly(file), "w", zipfile.ZIP_STORED) as archive,
        ):
            archive.writestr(_STATE, json.dumps(state))
            for name, array in arrays.items():
                with archive.open(name + ".npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
        tf.io.gfile.rename(partial, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(partial):
            tf.io.gfile.remove(partial)
        raise


def read_checkpoint(path: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `write_checkpoint` wrote.

    Args:
        path: str, the file.

    Returns:
        The arrays by name, and the plain data.

    Raises:
        DamagedCheckpoint: the file is cut short, was changed, or is no checkpoint.
    """
    arrays: dict[str, np.ndarray] = {}
    try:
        with tf.io.gfile.GFile(path, "rb") as file, zipfile.ZipFile(file) as archive:
            # Every entry's checksum before anything is parsed.
            changed = archive.testzip()
            if changed is not None:
                raise DamagedCheckpoint(f"{path}: {changed} has been changed")
            state = json.loads(archive.read(_STATE))
            for name in archive.namelist():
                if name != _STATE:
                    with archive.open(name) as entry:
                        arrays[name.removesuffix(".npy")] = np.lib.format.read_array(entry, allow_pickle=False)
    except (zipfile.BadZipFile, struct.error, OSError, EOFError, ValueError, KeyError, NotImplementedError) as error:
        raise DamagedCheckpoint(f"{path}: {error}") from error
    except tf.errors.OpError as error:
        raise DamagedCheckpoint(f"{path}: {error.message}") from error
    return arrays, state
