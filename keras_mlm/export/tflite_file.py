"""Conversion to TFLite, and what is in a file: its operations and the runtime it needs."""

import tempfile
from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.lite.tools import flatbuffer_utils

from keras_mlm.errors import RunError
from keras_mlm.export.signature import Signature

Precision = Literal["float32", "float16", "dynamic_int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "dynamic_int8")


_WAY_OUT = "the SavedModel takes the same inputs, and the ids-in files need TFLite's own operations only"


def convert(signatures: Sequence[Signature], *, custom_operations: Sequence[str] = ()) -> dict[Precision, bytes]:
    """Return signatures as TFLite files, one a precision; the signatures of a file share its weights.

    Args:
        signatures: sequence of `Signature`.
        custom_operations: sequence of str, the operations beside TFLite's own that the runtime will have.

    Returns:
        A dict of precision to bytes.

    Raises:
        RunError: the converter failed, or needed other operations; the message names them, their layers and the way
            out.
    """
    files: dict[Precision, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel: only so does one file hold several signatures.
        archive = keras.export.ExportArchive()
        for signature in signatures:
            archive.add_endpoint(signature.name, signature.function, input_signature=list(signature.inputs))
        archive.write_out(folder, verbose=False)
        for precision in PRECISIONS:
            names = [signature.name for signature in signatures]
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=names)
            converter.allow_custom_ops = True  # what it did not know is refused below, by name and layer
            if precision != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            try:
                files[precision] = converter.convert()
            except Exception as error:  # the converter's own, of several kinds
                reason = str(error).strip().splitlines() or [type(error).__name__]
                raise RunError(f"the TFLite converter failed ({reason[-1]}); {_WAY_OUT}") from error
            lacking = sorted(set(operations(files[precision], custom=True)) - set(custom_operations))
            if lacking:
                where = ", ".join(f"{name} ({_layers(folder, name)})" for name in lacking)
                raise RunError(f"TFLite has no {where}: no phone's runtime would run the file; {_WAY_OUT}")
    return files


def _layers(folder: str, operation: str) -> str:
    """The names of the nodes of an operation, which begin with those of their layers."""
    with open(f"{folder}/saved_model.pb", "rb") as file:
        graph = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0].graph_def
    nodes = (node for function in graph.library.function for node in function.node_def)
    found = sorted({node.name for node in nodes if node.op == operation.removeprefix("Flex")})
    return "at " + " and ".join(found[:2]) if found else "made by the converter"


def operations(content: bytes, *, custom: bool = False) -> list[str]:
    """Return the names of a TFLite file's operations, sorted; with `custom` only those that are not TFLite's own."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    names = set()
    for index in {operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators}:
        own = model.operatorCodes[index].customCode
        if own:
            names.add(own.decode())
        elif not custom:
            names.add(flatbuffer_utils.opcode_to_name(model, index))
    return sorted(names)


def minimum_runtime(content: bytes) -> str:
    """Return the oldest TFLite runtime that runs a file, as its converter wrote it down; "" where it did not."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    for entry in model.metadata or []:
        if entry.name == b"min_runtime_version":
            return bytes(model.buffers[entry.buffer].data).rstrip(b"\x00").decode()
    return ""
