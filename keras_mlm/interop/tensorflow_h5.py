"""TensorFlow weights of transformers before version 5, `tf_model.h5`, without TensorFlow classes of theirs."""

import re

import h5py
import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.interop.bert_tensors import CheckpointTensor
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.weights_file import check_weights_file

TENSORFLOW_WEIGHTS = "tf_model.h5"


def read_tensorflow_h5(folder: CheckpointFolder) -> list[tuple[str, CheckpointTensor]]:
    """Return the tensors of `tf_model.h5` under the names and in the layout of PyTorch's.

    Args:
        folder: CheckpointFolder.

    Returns:
        A list of names and `CheckpointTensor`; what two layers share may occur twice.

    Raises:
        InputError: the file is damaged, or holds anything but numbers of its own.
    """
    path = str(folder.file(TENSORFLOW_WEIGHTS))
    check_weights_file(path)
    found: list[str] = []

    def visit(name: str, entry: object) -> None:
        if isinstance(entry, h5py.Dataset):
            found.append(name)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        return [_tensor(path, name, file[name].shape) for name in found]


def _tensor(path: str, name: str, shape: tuple[int, ...]) -> tuple[str, CheckpointTensor]:
    transposed = name.endswith("/kernel:0") and len(shape) == 2

    def read() -> np.ndarray:
        with h5py.File(path, "r") as file:
            values = file[name][()]
        if values.dtype.kind != "f":
            raise InputError(f"{path} holds {name} as {values.dtype}; only floats are read")
        return values.T if transposed else values

    return pytorch_name(name), CheckpointTensor(shape[::-1] if transposed else shape, read)


def pytorch_name(name: str) -> str:
    """Return PyTorch's name for one of TensorFlow's.

    Args:
        name: str, such as `"bert/tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0"`.

    Returns:
        str, such as `"bert.encoder.layer.0.output.dense.weight"`.
    """
    parts = name.removesuffix(":0").split("/")
    # The path repeats the names of the layers around; what counts begins at the last of the model's own.
    starts = [index for index, part in enumerate(parts) if part == "bert" or part.endswith("cls")]
    start = starts[-1] if starts else max(0, len(parts) - 2)
    tail = ["cls" if part.endswith("___cls") else part for part in parts[start:]]
    joined = re.sub(r"layer_\._(\d+)", r"layer.\1", ".".join(tail))
    return re.sub(r"\.(kernel|embeddings)$", ".weight", joined)
