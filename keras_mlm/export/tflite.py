"""Export for phones: TFLite files that take ids or raw text, in three precisions."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export.device_export import described, write_device_files
from keras_mlm.export.export_card import CARD, export_card
from keras_mlm.export.signature import Signature
from keras_mlm.export.signatures_of import on_device
from keras_mlm.export.tflite_file import convert, minimum_runtime, operations
from keras_mlm.export.version_folder import numbered, written_aside

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

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

fill_mask = Interpreter("ids_dynamic_int8.tflite").get_signature_runner("fill_mask_ids")
token_ids = np.zeros((1, {length}), "int32")
token_ids[0, :3] = {example}  # [CLS] [MASK] [SEP]
fill_mask(token_ids=token_ids, segment_ids=token_ids * 0, padding_mask=(token_ids > 0).astype("int32"))
```

With text, each part between two `[MASK]` a string of its own:

```python
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tensorflow_text import tflite_registrar

operations = tflite_registrar.SELECT_TFTEXT_OPS
interpreter = InterpreterWithCustomOps(
    model_path="text_dynamic_int8.tflite", custom_op_registerers=operations)
interpreter.get_signature_runner("fill_mask")(text=np.array("The [MASK] is open.".split("[MASK]")))
```

`metadata.json` describes every file, `tokenizer.md` the tokenizer, and `tokenizer_vectors.json` proves yours."""


def export_tflite(
    model: "BertPretrainer",
    folder: str,
    *,
    length: int = 128,
    top_k: int = 5,
    mask_slots: int = 8,
    version: int | None = None,
    model_folder: str | None = None,
) -> str:
    """Write TFLite files that fill masks and embed, from ids and from text, as `FOLDER/tflite/NUMBER`.

    Beside the files lie `metadata.json`, `vocab.txt`, `tokenizer.md` (a page that specifies the tokenizer),
    `tokenizer_vectors.json` (300 worked examples) and a card. A model whose tokenizer has the normalization `"bert"`
    gets ids-in files only: TFLite lacks the operations; the log says so.

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
        InputError: the number exists already, or a size that the model does not have.
        RunError: an operation that TFLite lacks, or the folder could not be written.

    Example:
        ```python
        path = export_tflite(load_model("saved_models/news"), "saved_models/news", length=64)
        ```
    """
    device = on_device(model, length=length, top_k=top_k, mask_slots=mask_slots)
    path = numbered(tf.io.gfile.join(folder, FOLDER), version)
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
                described_files[name] = {
                    "precision": precision,
                    "bytes": len(content),
                    "minimum_runtime": minimum_runtime(content),
                    "operations": operations(content),
                    "custom_operations": operations(content, custom=True),
                    "signatures": {signature.name: described(signature) for signature in signatures},
                }
        write_device_files(aside, device, described_files)
        tokenizer = device.model.tokenizer
        example = [tokenizer.cls_token_id, tokenizer.mask_token_id, tokenizer.sep_token_id]
        card = export_card(
            device.model, [signature for _, signatures, _ in kinds for signature in signatures],
            name=Path(folder).absolute().name, kind="TFLite", about=_ABOUT,
            use=_USE.format(length=length, example=example), length=length, model_folder=model_folder or folder,
        )  # fmt: skip
        with tf.io.gfile.GFile(tf.io.gfile.join(aside, CARD), "w") as file:
            file.write(card)
    return path
