"""Whatever was exported, opened so that it can be asked like every other: texts in, candidates and vectors out."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export import onnx as onnx_export
from keras_mlm.export import tflite as tflite_export
from keras_mlm.export.device_export import METADATA
from keras_mlm.export.signatures_of import on_device
from keras_mlm.export.text_rows import TextRows
from keras_mlm.export.version_folder import versions

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

Answers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Artefact:
    """One exported file or folder.

    Args:
        name: str, how the table calls it.
        bytes: int, its size.
        length: int, the longest row in tokens.
        open: callable that loads it and returns two callables of texts: one gives `candidate_ids` and `scores`
            `(batch, slots, top_k)` and `truncated` `(batch,)`, the other `mean_pooled` `(batch, hidden)`.
    """

    name: str
    bytes: int
    length: int
    open: Callable[[], tuple[Callable[[list[str]], Answers], Callable[[list[str]], Answers]]]


def artefacts(folder: str, model: "BertPretrainer") -> Iterator[Artefact]:
    """Give what the newest number of each format in an export folder holds.

    Args:
        folder: str, where the numbered folders are.
        model: BertPretrainer that was exported.

    Raises:
        InputError: nothing is there, or a runtime is not installed.
    """
    found = 0
    for home, give in (
        (folder, _saved_model),
        (tf.io.gfile.join(folder, tflite_export.FOLDER), _tflite),
        (tf.io.gfile.join(folder, onnx_export.FOLDER), _onnx),
    ):
        numbers = versions(home)
        if numbers:
            for artefact in give(tf.io.gfile.join(home, str(numbers[-1])), model):
                found += 1
                yield artefact
    if not found:
        raise InputError(f"{folder} holds no export: write one with recipes/export.py")


def reference(model: "BertPretrainer", length: int, top_k: int, mask_slots: int) -> tuple[Any, Any]:
    """Return the Keras model's own two callables, texts cut as the export cuts them."""
    rows, device = Rows(model, length), on_device(model, length=length, top_k=top_k, mask_slots=mask_slots)
    return _of_rows(rows, _numpy(device.fill_mask_ids), _numpy(device.embed_ids))


class Rows:
    """Texts as rows of ids, made outside of the graph that takes them."""

    def __init__(self, model: "BertPretrainer", length: int) -> None:
        self.length = length
        texts = TextRows(model.tokenizer, length)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.bool)])
        def pack(strings: tf.Tensor, mask_tokens: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            tokens = tf.cond(
                mask_tokens,
                lambda: model.tokenizer.tokenize(strings, mask_tokens=True),
                lambda: model.tokenizer.tokenize(strings),
            )
            packed = {name: tf.cast(value, tf.int32) for name, value in texts.packer((tokens,)).items()}
            return packed, tokens.row_lengths() > length - 2

        self._pack = pack

    def __call__(self, texts: list[str], *, mask_tokens: bool, trim: bool) -> tuple[Answers, np.ndarray]:
        """The inputs, and which texts were cut."""
        tensors, truncated = self._pack(tf.constant(texts), tf.constant(mask_tokens))
        packed = {name: value.numpy() for name, value in tensors.items()}
        if trim:
            width = packed["padding_mask"].sum(axis=1).max()
            packed = {name: value[:, :width] for name, value in packed.items()}
        return packed, truncated.numpy()


def _of_rows(rows: Rows, fill: Callable[..., Answers], embed: Callable[..., Answers], one: bool = False) -> Any:
    """Callables of texts for something that takes rows; with `one`, of one full-length row at a time."""

    def each(call: Callable[..., Answers], inputs: Answers) -> Answers:
        if not one:
            return call(**inputs)
        batch = [
            call(**{name: value[row : row + 1] for name, value in inputs.items()})
            for row in range(len(inputs["token_ids"]))
        ]
        return {name: np.concatenate([answer[name] for answer in batch]) for name in batch[0]}

    def fill_texts(texts: list[str]) -> Answers:
        inputs, truncated = rows(texts, mask_tokens=True, trim=not one)
        return {**each(fill, inputs), "truncated": truncated}

    def embed_texts(texts: list[str]) -> Answers:
        return each(embed, rows(texts, mask_tokens=False, trim=not one)[0])

    return fill_texts, embed_texts


def _numpy(function: Callable[..., dict[str, tf.Tensor]]) -> Callable[..., Answers]:
    return lambda **inputs: {name: value.numpy() for name, value in function(**inputs).items()}


def _size(path: str) -> int:
    if not tf.io.gfile.isdir(path):
        return tf.io.gfile.stat(path).length
    return sum(_size(tf.io.gfile.join(path, name.rstrip("/"))) for name in tf.io.gfile.listdir(path))


def _saved_model(path: str, model: "BertPretrainer") -> Iterator[Artefact]:
    def open_it() -> Any:
        loaded = tf.saved_model.load(path)
        fill, embed = loaded.signatures["fill_mask"], loaded.signatures["embed"]
        ids = {token.encode(): number for number, token in enumerate(model.tokenizer.vocabulary)}
        ids[b""] = model.tokenizer.pad_token_id

        def fill_texts(texts: list[str], keep: Any = loaded) -> Answers:  # its signatures hold its variables weakly
            answers = {name: value.numpy() for name, value in fill(text=tf.constant(texts)).items()}
            return {**answers, "candidate_ids": np.vectorize(ids.__getitem__)(answers["tokens"])}

        return fill_texts, lambda texts: _numpy(embed)(text=tf.constant(texts))

    if tf.io.gfile.exists(tf.io.gfile.join(path, "saved_model.pb")):
        tokenize = tf.saved_model.load(path).signatures["tokenize"].structured_outputs
        yield Artefact("SavedModel, text in", _size(path), tokenize["token_ids"].shape[1], open_it)


def _metadata(path: str) -> dict[str, Any]:
    with tf.io.gfile.GFile(tf.io.gfile.join(path, METADATA)) as file:
        return json.loads(file.read())


def _tflite(path: str, model: "BertPretrainer") -> Iterator[Artefact]:
    try:
        from ai_edge_litert.interpreter import Interpreter, InterpreterWithCustomOps
    except ImportError as error:
        raise InputError("running TFLite files needs ai-edge-litert: pip install 'keras-mlm[tflite]'") from error
    metadata = _metadata(path)
    length, threads = metadata["length"], os.cpu_count()
    for name in metadata["files"]:
        file = tf.io.gfile.join(path, name)

        def open_ids(file: str = file) -> Any:
            interpreter = Interpreter(file, num_threads=threads)
            fill, embed = (interpreter.get_signature_runner(key) for key in ("fill_mask_ids", "embed_ids"))
            return _of_rows(Rows(model, length), fill, embed, one=True)

        def open_text(file: str = file) -> Any:
            from tensorflow_text import tflite_registrar

            operations = tflite_registrar.SELECT_TFTEXT_OPS
            interpreter = InterpreterWithCustomOps(
                model_path=file, custom_op_registerers=operations, num_threads=threads
            )
            fill, embed = (interpreter.get_signature_runner(key) for key in ("fill_mask", "embed"))

            def every(runner: Any, parts: list[list[str]]) -> Answers:
                batch = [runner(text=np.array(text)) for text in parts]
                return {name: np.concatenate([answer[name] for answer in batch]) for name in batch[0]}

            return (
                lambda texts: every(fill, [text.split("[MASK]") for text in texts]),
                lambda texts: every(embed, [[text] for text in texts]),
            )

        kind, _, precision = name.removesuffix(".tflite").partition("_")
        opener = open_text if kind == "text" else open_ids
        yield Artefact(f"TFLite {precision}, {kind} in", _size(file), length, opener)


def _onnx(path: str, model: "BertPretrainer") -> Iterator[Artefact]:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("running ONNX files needs onnxruntime: pip install 'keras-mlm[onnx]'") from error
    files = [tf.io.gfile.join(path, name) for name in ("fill_mask_ids.onnx", "embed_ids.onnx")]
    length = _metadata(path)["length"]

    def open_it() -> Any:
        def runner(file: str) -> Callable[..., Answers]:
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            names = [output.name for output in session.get_outputs()]
            return lambda **inputs: dict(zip(names, session.run(names, inputs), strict=True))

        return _of_rows(Rows(model, length), runner(files[0]), runner(files[1]))

    yield Artefact("ONNX, ids in", sum(map(_size, files)), length, open_it)
