"""Export for phones: TFLite files that take ids or raw text, in three precisions."""

import logging
from typing import Any

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export.device_export import described, write_device_files
from keras_mlm.export.encoder_on_device import EncoderOnDevice
from keras_mlm.export.export_card import write_export_card
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.signature import Signature
from keras_mlm.export.signatures_of import on_device
from keras_mlm.export.tflite_file import convert, minimum_runtime, operations
from keras_mlm.export.version_folder import numbered, written_aside

logger = logging.getLogger(__name__)

FOLDER = "tflite"
# What tensorflow-text registers in a runtime.
TEXT_OPERATIONS = ("FastBertNormalize", "FastWordpieceTokenizeWithOffsets")

_ABOUT = """
`ids_*.tflite` take ids and need TFLite's own operations only; `text_*.tflite` take text and need tensorflow-text's
`FastBertNormalize` and `FastWordpieceTokenizeWithOffsets` in the runtime. `float32` is the model itself, `float16` half
as large, `dynamic_int8` the smallest and the fastest. Signatures without `_dynamic` take one row of the full length."""

_USE = """\
```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

runner = Interpreter("ids_dynamic_int8.tflite").get_signature_runner("{ids}")
token_ids = np.zeros((1, {length}), "int32")
token_ids[0, :{count}] = {example}  # {tokens}
runner(token_ids=token_ids, segment_ids=token_ids * 0, padding_mask=(token_ids > 0).astype("int32"))
```
{with_text}
`metadata.json` describes every file, `tokenizer.md` the tokenizer, and `tokenizer_vectors.json` proves yours."""

_USE_TEXT = """
With text:

```python
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tensorflow_text import tflite_registrar

operations = tflite_registrar.SELECT_TFTEXT_OPS
interpreter = InterpreterWithCustomOps(
    model_path="text_dynamic_int8.tflite", custom_op_registerers=operations)
text = {text}
interpreter.get_signature_runner("{name}")(text=text)
```
"""


def export_tflite(model: Any, folder: str, options: ExportOptions | None = None) -> str:
    """Write TFLite files that take ids and text, as `FOLDER/tflite/NUMBER`: fill masks, classify or tag, and embed.

    Beside the files lie `metadata.json`, `vocab.txt`, `tokenizer.md` (a page that specifies the tokenizer),
    `tokenizer_vectors.json` (300 worked examples) and a card. A model whose tokenizer has the normalization `"bert"`
    gets ids-in files only: TFLite lacks the operations; the log says so.

    Args:
        model: BertPretrainer, BertTextClassifier or BertTokenClassifier with a tokenizer.
        folder: str, the model folder.
        options: ExportOptions. Defaults to `None`, all defaults.

    Returns:
        The path of the numbered folder, a str.

    Raises:
        InputError: the number exists already, or a size that the model does not have.
        RunError: an operation that TFLite lacks, or the folder could not be written.

    Example:
        ```python
        path = export_tflite(load_model("saved_models/news"), "saved_models/news", ExportOptions(length=64))
        ```
    """
    options = options or ExportOptions()
    device = on_device(model, options)
    path = numbered(tf.io.gfile.join(folder, FOLDER), options.version)
    kinds: list[tuple[str, list[Signature], tuple[str, ...]]] = [("ids", device.ids(), ())]
    try:
        kinds.append(("text", device.text(), TEXT_OPERATIONS))
    except InputError as error:
        logger.warning("no text-in file: %s", error)
    described_files: dict[str, dict[str, Any]] = {}
    with written_aside(path) as aside:
        for kind, signatures, custom in kinds:
            logger.info("converting %d signatures with %s in, in three precisions", len(signatures), kind)
            for precision, content in convert(signatures, custom_operations=custom).items():
                name = f"{kind}_{precision}.tflite"
                with tf.io.gfile.GFile(tf.io.gfile.join(aside, name), "wb") as file:
                    file.write(content)
                own, custom_found = operations(content), operations(content, custom=True)
                described_files[name] = {
                    "precision": precision,
                    "bytes": len(content),
                    "minimum_runtime": minimum_runtime(content),
                    "operations": own,
                    "custom_operations": custom_found,
                    "signatures": {signature.name: described(signature) for signature in signatures},
                }
                needed = f"runtime {minimum_runtime(content)} or newer with {', '.join(own)}"
                logger.info("%s needs %s", name, needed)
        write_device_files(aside, device, described_files)
        write_export_card(
            aside, device.model, [signature for _, signatures, _ in kinds for signature in signatures], folder=folder,
            model_folder=options.model_folder, kind="TFLite", about=_ABOUT, use=_use(device, kinds),
            length=device.length,
        )  # fmt: skip
    return path


def _use(device: EncoderOnDevice, kinds: list[tuple[str, list[Signature], tuple[str, ...]]]) -> str:
    with_text = _USE_TEXT.format(text=device.text_example, name=kinds[1][1][0].name) if len(kinds) > 1 else ""
    return _USE.format(
        ids=kinds[0][1][0].name,
        length=device.length,
        count=len(device.example_tokens),
        example=device.example_ids(),
        tokens=" ".join(device.example_tokens),
        with_text=with_text,
    )
