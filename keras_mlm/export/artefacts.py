"""Whatever was exported, opened so that it can be asked like every other: texts in, answers and vectors out."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export import onnx as onnx_export
from keras_mlm.export import tflite as tflite_export
from keras_mlm.export.device_export import METADATA
from keras_mlm.export.question import Answers, Ask, PackedTexts, Question
from keras_mlm.export.version_folder import versions


@dataclass(frozen=True)
class Artefact:
    """One exported file or folder.

    Args:
        name: str, how the table calls it.
        bytes: int, its size.
        length: int, the longest row in tokens.
        open: callable that loads it for a `Question` and returns two callables of texts: one gives the question's
            answers and `truncated` `(batch,)`, the other `mean_pooled` `(batch, hidden)`.
    """

    name: str
    bytes: int
    length: int
    open: Callable[[Question], tuple[Ask, Ask]]


def artefacts(folder: str) -> Iterator[Artefact]:
    """Give what the newest number of each format in an export folder holds.

    Args:
        folder: str, where the numbered folders are.

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
            for artefact in give(tf.io.gfile.join(home, str(numbers[-1]))):
                found += 1
                yield artefact
    if not found:
        raise InputError(f"{folder} holds no export: write one with recipes/export.py")


def _of_rows(question: Question, ask: Callable[..., Answers], embed: Callable[..., Answers], one: bool) -> Any:
    """Callables of texts for something that takes rows; with `one`, of one full-length row at a time."""

    def each(call: Callable[..., Answers], packed: PackedTexts) -> Answers:
        inputs = packed.inputs
        if not one:
            return call(**inputs)
        missing = question.length - inputs["token_ids"].shape[1]
        padding = {"token_ids": question.model.tokenizer.pad_token_id}
        whole = {
            name: np.pad(values, [(0, 0), (0, missing)], constant_values=padding.get(name, 0))
            for name, values in inputs.items()
        }
        return _joined(
            call(**{name: value[row : row + 1] for name, value in whole.items()})
            for row in range(len(packed.text_index))
        )

    def ask_texts(texts: list[Any]) -> Answers:
        packed = question.rows(texts)
        return {**question.of_texts(each(ask, packed), packed), "truncated": packed.truncated}

    return ask_texts, lambda texts: each(embed, question.plain_rows(texts))


def _joined(answers: Iterator[Answers]) -> Answers:
    batch = list(answers)
    return {name: np.concatenate([answer[name] for answer in batch]) for name in batch[0]}


def _size(path: str) -> int:
    if not tf.io.gfile.isdir(path):
        return tf.io.gfile.stat(path).length
    return sum(_size(tf.io.gfile.join(path, name.rstrip("/"))) for name in tf.io.gfile.listdir(path))


def _saved_model(path: str) -> Iterator[Artefact]:
    def open_it(question: Question) -> Any:
        loaded = tf.saved_model.load(path)
        main, embed = loaded.signatures[question.name], loaded.signatures["embed"]

        def call(signature: Any, inputs: dict[str, list[str]], keep: Any = loaded) -> Answers:
            # Its signatures hold its variables weakly: `keep` keeps them.
            outputs = signature(**{name: tf.constant(values) for name, values in inputs.items()})
            return {name: value.numpy() for name, value in outputs.items()}

        return (
            lambda texts: question.served_answers(call(main, question.served_inputs(texts))),
            lambda texts: call(embed, {"text": texts}),
        )

    if tf.io.gfile.exists(tf.io.gfile.join(path, "saved_model.pb")):
        tokenize = tf.saved_model.load(path).signatures["tokenize"].structured_outputs
        yield Artefact("SavedModel, text in", _size(path), tokenize["token_ids"].shape[1], open_it)


def _metadata(path: str) -> dict[str, Any]:
    with tf.io.gfile.GFile(tf.io.gfile.join(path, METADATA)) as file:
        return json.loads(file.read())


def _tflite(path: str) -> Iterator[Artefact]:
    try:
        from ai_edge_litert.interpreter import Interpreter, InterpreterWithCustomOps
    except ImportError as error:
        raise InputError("running TFLite files needs ai-edge-litert: pip install 'keras-mlm[tflite]'") from error
    metadata = _metadata(path)
    threads = os.cpu_count()
    for name in metadata["files"]:
        file = tf.io.gfile.join(path, name)

        def open_ids(question: Question, file: str = file) -> Any:
            interpreter = Interpreter(file, num_threads=threads)
            ask, embed = (interpreter.get_signature_runner(f"{key}_ids") for key in (question.ids_name, "embed"))
            return _of_rows(question, ask, embed, one=True)

        def open_text(question: Question, file: str = file) -> Any:
            from tensorflow_text import tflite_registrar

            operations = tflite_registrar.SELECT_TFTEXT_OPS
            interpreter = InterpreterWithCustomOps(
                model_path=file, custom_op_registerers=operations, num_threads=threads
            )
            ask, embed = (interpreter.get_signature_runner(key) for key in (question.name, "embed"))
            return (
                lambda texts: question.of_one_row(_joined(ask(**question.one_text(text)) for text in texts), texts),
                lambda texts: _joined(embed(text=np.array([text])) for text in texts),
            )

        kind, _, precision = name.removesuffix(".tflite").partition("_")
        opener = open_text if kind == "text" else open_ids
        yield Artefact(f"TFLite {precision}, {kind} in", _size(file), metadata["length"], opener)


def _onnx(path: str) -> Iterator[Artefact]:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("running ONNX files needs onnxruntime: pip install 'keras-mlm[onnx]'") from error
    metadata = _metadata(path)
    files = {name: tf.io.gfile.join(path, name) for name in metadata["files"]}

    def open_it(question: Question) -> Any:
        def runner(file: str) -> Callable[..., Answers]:
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            names = [output.name for output in session.get_outputs()]
            return lambda **inputs: dict(zip(names, session.run(names, inputs), strict=True))

        ask, embed = (runner(files[f"{name}_ids.onnx"]) for name in (question.ids_name, "embed"))
        return _of_rows(question, ask, embed, one=False)

    yield Artefact("ONNX, ids in", sum(map(_size, files.values())), metadata["length"], open_it)
