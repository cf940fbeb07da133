"""Export for onnxruntime: ONNX files that take ids."""

import logging
from typing import Any

import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.export.device_export import described, write_device_files
from keras_mlm.export.export_card import write_export_card
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.signature import Signature
from keras_mlm.export.signatures_of import on_device
from keras_mlm.export.version_folder import numbered, written_aside

logger = logging.getLogger(__name__)

FOLDER = "onnx"
OPSET = 18

_ABOUT = """
Ids in, of any number of rows and any length up to {length}. ONNX has no operation for this tokenizer: `tokenizer.md`
specifies it, and `tokenizer_vectors.json` proves yours."""

_USE = """\
```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{name}.onnx")
token_ids = np.array([{example}], "int32")  # {tokens}
inputs = {{"token_ids": token_ids, "segment_ids": token_ids * 0, "padding_mask": np.ones_like(token_ids)}}
{outputs} = session.run({names}, inputs)
```"""


def export_onnx(model: Any, folder: str, options: ExportOptions | None = None) -> str:
    """Write ONNX files that take ids of any shape, as `FOLDER/onnx/NUMBER`: fill masks, classify or tag, and embed.

    Beside the files lie `metadata.json`, `vocab.txt`, `tokenizer.md`, `tokenizer_vectors.json` and a card. Each file
    is checked by ONNX' own checker and run by onnxruntime once before the folder gets its name.

    Args:
        model: BertPretrainer, BertTextClassifier or BertTokenClassifier with a tokenizer.
        folder: str, the model folder.
        options: ExportOptions. Defaults to `None`, all defaults.

    Returns:
        The path of the numbered folder, a str.

    Raises:
        InputError: the number exists already, a size that the model does not have, or the extra is not installed.
        RunError: an operation that ONNX lacks, or the folder could not be written.

    Example:
        ```python
        path = export_onnx(load_model("saved_models/news"), "saved_models/news")
        ```
    """
    options = options or ExportOptions()
    device = on_device(model, options)
    path = numbered(tf.io.gfile.join(folder, FOLDER), options.version)
    signatures = [signature for signature in device.ids() if signature.name.endswith("_dynamic")]
    _runtime()
    files: dict[str, dict[str, Any]] = {}
    with written_aside(path) as aside:
        for signature in signatures:
            name = f"{signature.name.removesuffix('_dynamic')}.onnx"
            logger.info("converting %s", name)
            content, operations = convert(signature)
            with tf.io.gfile.GFile(tf.io.gfile.join(aside, name), "wb") as file:
                file.write(content)
            files[name] = {
                "bytes": len(content),
                "opset": OPSET,
                "operations": operations,
                "signatures": {signature.name.removesuffix("_dynamic"): described(signature)},
            }
        write_device_files(aside, device, files)
        main = signatures[0]
        use = _USE.format(
            name=main.name.removesuffix("_dynamic"), example=device.example_ids(),
            tokens=" ".join(device.example_tokens), names=list(main.outputs), outputs=", ".join(main.outputs),
        )  # fmt: skip
        write_export_card(
            aside, device.model, signatures, folder=folder, model_folder=options.model_folder, kind="ONNX",
            about=_ABOUT.format(length=device.length), use=use, length=device.length,
            packages=("tf2onnx", "onnx", "onnxruntime"),
        )  # fmt: skip
    return path


def convert(signature: Signature) -> tuple[bytes, list[str]]:
    """Return a signature as an ONNX file that onnxruntime has run, and the names of its operations.

    Args:
        signature: Signature whose inputs are of any shape.

    Returns:
        Bytes, and a sorted list of str.

    Raises:
        InputError: the extra is not installed.
        RunError: the converter failed, or made operations that ONNX does not have; the message names them with their
            layer, and the way out.
    """
    onnx, onnxruntime, tf2onnx = _runtime()
    function = tf.function(signature.function, input_signature=signature.inputs, autograph=False)
    try:
        converted, _ = tf2onnx.convert.from_function(function, input_signature=signature.inputs, opset=OPSET)
        onnx.checker.check_model(converted, full_check=True)
        content = converted.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        session.run(None, signature.example(1))
    except Exception as error:  # of three libraries, each with its own kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise RunError(
            f"{signature.name} could not be converted to ONNX ({reason[-1]}); the SavedModel and TFLite take the same "
            "inputs"
        ) from error
    return content, sorted({node.op_type for node in converted.graph.node})


def _runtime() -> tuple[Any, Any, Any]:
    try:
        import onnx
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install 'keras-mlm[onnx]'") from error
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    return onnx, onnxruntime, tf2onnx
