"""Safetensors, one file or several with an index, read tensor by tensor and written whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.interop.bert_tensors import CheckpointTensor
from keras_mlm.interop.checkpoint_folder import CheckpointFolder

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_FLOATS = ("F64", "F32", "F16", "BF16")


def read_safetensors(folder: CheckpointFolder) -> list[tuple[str, CheckpointTensor]]:
    """Return the tensors of `model.safetensors`, or of the files that its index names.

    Args:
        folder: CheckpointFolder.

    Returns:
        A list of the names in the files and their `CheckpointTensor`.

    Raises:
        InputError: a file is missing, truncated or damaged, or the index does not fit its files.
    """
    if WEIGHTS in folder:
        return list(_read_file(folder.file(WEIGHTS)).items())
    places = folder.read_json(INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise InputError(f"{folder}/{INDEX} must have a weight_map of tensor names to file names")
    tensors: list[tuple[str, CheckpointTensor]] = []
    for name in sorted(set(places.values())):
        if not name.endswith(".safetensors"):
            raise InputError(f"{folder}/{INDEX} names the file {name!r}, which is no safetensors file: refused")
        found = _read_file(folder.file(name))
        promised = {tensor for tensor, file in places.items() if file == name}
        if promised != set(found):
            wrong = ", ".join(sorted(promised ^ set(found)))
            raise InputError(f"{folder}/{name} does not hold what {INDEX} says of it: {wrong}")
        tensors += found.items()
    return tensors


def _read_file(path: Path) -> dict[str, CheckpointTensor]:
    library = _library()
    try:
        file = library.safe_open(str(path), framework="numpy")
        return {name: _tensor(file, name, path) for name in file.keys()}  # noqa: SIM118  the file has no iterator
    except library.SafetensorError as error:
        raise InputError(f"{path} is truncated or no safetensors file, fetch it again: {error}") from error


def _tensor(file: Any, name: str, path: Path) -> CheckpointTensor:
    view = file.get_slice(name)
    kind = view.get_dtype()

    def read() -> np.ndarray:
        if kind not in _FLOATS:
            raise InputError(f"{path} holds {name} as {kind}; only floats ({', '.join(_FLOATS)}) are read")
        return np.asarray(file.get_tensor(name)).astype("float32", copy=False)

    return CheckpointTensor(tuple(view.get_shape()), read)


def write_safetensors(tensors: Mapping[str, np.ndarray], path: str) -> None:
    """Write arrays as a safetensors file, with the note that Hugging Face's loader asks for."""
    _library()
    from safetensors.numpy import save_file

    save_file(dict(tensors), path, metadata={"format": "pt"})


def _library() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise InputError("safetensors is not installed: pip install 'keras-mlm[interop]'") from error
    return safetensors
