"""What a TFLite and an ONNX export share: a numbered folder of model files, and all that a client needs beside them."""

from typing import Any

import tensorflow as tf

import keras_mlm
from keras_mlm.config import dump_json
from keras_mlm.export.encoder_on_device import EncoderOnDevice
from keras_mlm.export.signature import Signature
from keras_mlm.export.tokenizer_page import PAGE, VECTORS, VOCABULARY, tokenizer_page, tokenizer_vectors
from keras_mlm.tokenizers.vocabulary_file import write_vocabulary

METADATA = "metadata.json"


def write_device_files(folder: str, device: EncoderOnDevice, files: dict[str, dict[str, Any]]) -> None:
    """Write `metadata.json`, the vocabulary, the tokenizer's specification and its worked examples.

    Args:
        folder: str, a folder with model files.
        device: the signatures' object.
        files: dict of file name to what is to be said of it, plain data.
    """
    tokenizer = device.model.tokenizer
    write_vocabulary(tokenizer.vocabulary, tf.io.gfile.join(folder, VOCABULARY))
    metadata = {
        "format_version": 1,
        "keras_mlm": keras_mlm.__version__,
        "tensorflow": tf.__version__,
        "class": type(device.model).__name__,
        **device.settings(),
        "vocabulary_size": tokenizer.vocabulary_size,
        "vocabulary_hash": tokenizer.vocabulary_hash,
        "normalization": tokenizer.normalization,
        "lowercase": tokenizer.lowercase,
        "special_tokens": {
            "[PAD]": tokenizer.pad_token_id, "[UNK]": tokenizer.unk_token_id, "[CLS]": tokenizer.cls_token_id,
            "[SEP]": tokenizer.sep_token_id, "[MASK]": tokenizer.mask_token_id,
        },
        "files": files,
    }  # fmt: skip
    texts = {
        METADATA: dump_json(metadata),
        PAGE: tokenizer_page(tokenizer, device.model),
        VECTORS: tokenizer_vectors(tokenizer),
    }
    for name, text in texts.items():
        with tf.io.gfile.GFile(tf.io.gfile.join(folder, name), "w") as file:
            file.write(text)


def described(signature: Signature) -> dict[str, Any]:
    """A signature as plain data."""
    return {
        "summary": signature.summary,
        "inputs": {spec.name: {"type": spec.dtype.name, "shape": spec.shape.as_list()} for spec in signature.inputs},
        "outputs": signature.outputs,
    }
