"""Export for onnxruntime: ONNX files that take ids."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.export.device_export import described, write_device_files
from keras_mlm.export.export_card import CARD, export_card
from keras_mlm.export.signatures_of import on_device
from keras_mlm.export.version_folder import numbered, written_aside

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

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

session = onnxruntime.InferenceSession("fill_mask_ids.onnx")
token_ids = np.array([{example}], "int32")  # [CLS] [MASK] [SEP]
inputs = {{"token_ids": token_ids, "segment_ids": token_ids * 0, "padding_mask": np.ones_like(token_ids)}}
candidate_ids, scores, positions = session.run(["candidate_ids", "scores", "positions"], inputs)
```"""


def export_onnx(
    model: "BertPretrainer",
    folder: str,
    *,
    length: int = 128,
    top_k: int = 5,
    mask_slots: int = 8,
    version: int | None = None,
    model_folder: str | None = None,
) -> str:
    """Write ONNX files that fill masks and embed, from ids of any shape, as `FOLDER/onnx/NUMBER`.

    Beside the files lie `metadata.json`, `vocab.txt`, `tokenizer.md`, `tokenizer_vectors.json` and a card. Each file
    is checked by ONNX' own checker and run by onnxruntime once before the folder gets its name.

    Args:
        model: BertPretrainer with a tokenizer.
        folder: str, the model folder.
        length: int, the longest row in tokens, special tokens included. Defaults to `128`.
        top_k: int, candidates a mask. Defaults to `5`.
        mask_slots: int, masks a text that are filled. Defaults to `8`.
        version: int, the number; by default the one after the highest that exists.
        model_folder: str, the folder whose figures the card repeats; by default `folder`.

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
    try:
        import onnx
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise InputError(f"ONNX needs {error.name}: pip install 'keras-mlm[onnx]'") from error
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)

    device = on_device(model, length=length, top_k=top_k, mask_slots=mask_slots)
    path = numbered(tf.io.gfile.join(folder, FOLDER), version)
    signatures = [signature for signature in device.ids() if signature.name.endswith("_dynamic")]
    files: dict[str, dict[str, Any]] = {}
    with written_aside(path) as aside:
        for signature in signatures:
            name = f"{signature.name.removesuffix('_dynamic')}.onnx"
            logger.info("converting %s", name)
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
                    f"{name} could not be converted to ONNX ({reason[-1]}); the SavedModel and TFLite take the same "
                    "inputs"
                ) from error
            with tf.io.gfile.GFile(tf.io.gfile.join(aside, name), "wb") as file:
                file.write(content)
            files[name] = {
                "bytes": len(content),
                "opset": OPSET,
                "operations": sorted({node.op_type for node in converted.graph.node}),
                "signatures": {signature.name.removesuffix("_dynamic"): described(signature)},
            }
        write_device_files(aside, device, files)
        tokenizer = device.model.tokenizer
        example = [tokenizer.cls_token_id, tokenizer.mask_token_id, tokenizer.sep_token_id]
        card = export_card(
            device.model, signatures, name=Path(folder).absolute().name, kind="ONNX",
            about=_ABOUT.format(length=length), use=_USE.format(example=example), length=length,
            model_folder=model_folder or folder, packages=("tf2onnx", "onnx", "onnxruntime"),
        )  # fmt: skip
        with tf.io.gfile.GFile(tf.io.gfile.join(aside, CARD), "w") as file:
            file.write(card)
    return path
