"""A folder from a stranger, of which only plain files of its own are opened."""

import json
from pathlib import Path
from typing import Any

from keras_mlm.errors import InputError

# Far above any real config or vocabulary, far below what would fill the memory.
MAX_TEXT_BYTES = 256 * 1024**2


class CheckpointFolder:
    """Opens files by their bare names, and nothing that a path, a link or a config could smuggle in.

    A symbolic link may lead to another place in the folder, or, as in the cache of huggingface_hub, from
    `snapshots/REVISION` to the `blobs` of the same repository; anywhere else is refused.

    Args:
        path: str, a local folder.

    Raises:
        InputError: there is no such folder.

    Example:
        ```python
        config = CheckpointFolder("bert-base-uncased").read_json("config.json")
        ```
    """

    def __init__(self, path: str) -> None:
        if "://" in path:
            raise InputError(f"{path}: checkpoints are read from local folders; copy it to one")
        if not Path(path).is_dir():
            raise InputError(f"{path}: no such folder")
        self.path = path
        self._roots = [Path(path).resolve()]
        blobs = self._roots[0].parents[1] / "blobs" if self._roots[0].parent.name == "snapshots" else None
        if blobs is not None and not blobs.is_symlink():
            self._roots.append(blobs)

    def __str__(self) -> str:
        return self.path

    def names(self) -> list[str]:
        """Return the names of the files in the folder, sorted."""
        return sorted(entry.name for entry in Path(self.path).iterdir() if not entry.is_dir())

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def file(self, name: str) -> Path:
        """Return the path of a file of the folder.

        Args:
            name: str, a bare file name.

        Returns:
            A `Path` to open.

        Raises:
            InputError: the name is a path or URL, or the file is missing, no plain file, or a link out of the folder.
        """
        if not name or name in (".", "..") or any(character in name for character in "/\\:\0"):
            raise InputError(f"{self.path} names the file {name!r}, which is no plain file name: refused")
        path = Path(self.path) / name
        if not path.exists() and not path.is_symlink():
            raise InputError(f"{self.path} holds no {name}")
        target = path.resolve()
        if not any(target.is_relative_to(root) for root in self._roots):
            raise InputError(f"{path} is a link to a place outside of the folder: refused, copy the file itself there")
        if not target.is_file():
            raise InputError(f"{path} is no plain file")
        return path

    def text_file(self, name: str) -> Path:
        """Return the path of a file that will be read as a whole, see `file`; a giant one is refused."""
        path = self.file(name)
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes, more than any such file needs: refused")
        return path

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the object of a JSON file. Raises `InputError` if it is not one."""
        path = self.text_file(name)
        try:
            data = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is no valid JSON: {error}") from error
        if not isinstance(data, dict):
            raise InputError(f"{path} must hold a JSON object")
        return data
