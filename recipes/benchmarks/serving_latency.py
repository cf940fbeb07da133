"""How fast a served encoder answers, from text to a vector, beside PyTorch and onnxruntime with the same weights."""

import functools
import os
import statistics
from collections.abc import Callable
from typing import Any

import side_by_side

from keras_mlm import command_line

THREADS = os.cpu_count() or 1
SHAPES = ((32, 128), (1, 64))


def serving_latency(
    *,
    json: str | None = None,
    text: list[str] | None = None,
    work: str = "saved_models/serving_latency",
    num_layers: int = 6,
    hidden_dim: int = 384,
    vocabulary_size: int = 8000,
    rounds: int = 15,
) -> None:
    """Compare SavedModel and TFLite with torch (bfloat16, compiled) and onnxruntime (float32 and dynamic int8).

    All have the same weights, drawn at random: speed does not depend on what was learned. All get the same texts, each
    at least as long as the shape, and answer with the mean of the last layer; tokenizing is counted, Hugging Face's
    tokenizers for torch and onnxruntime. All threads of the machine for each; rounds alternate. Needs the extras onnx
    and tflite, torch, transformers and a C++ compiler.

    Args:
        json: File to write the rows to.
        text: Files and folders of text; by default the docstrings of the installed Python.
        work: Folder for the exports; those of an earlier run are used again.
        num_layers: Encoder blocks.
        hidden_dim: Width; heads are 64 wide.
        vocabulary_size: Tokens of the vocabulary.
        rounds: How often each side runs.
    """
    import json as json_module

    from keras_mlm.text_table import text_table

    os.environ["RAYON_NUM_THREADS"] = str(THREADS)
    lines = _long_lines(text)
    paths, vocabulary = _exports(work, lines, num_layers, hidden_dim, vocabulary_size)
    rows = []
    for batch, length in SHAPES:
        texts = lines[:batch]
        sides = {**_tensorflow(paths, length), **_torch(paths, vocabulary, length), **_onnx(paths, vocabulary, length)}
        if batch == 1:
            sides |= _tflite(paths)
        answers = {name: side(texts) for name, side in sides.items()}
        first = next(iter(answers.values()))
        calls = {name: functools.partial(side, texts) for name, side in sides.items()}
        seconds = side_by_side.alternate(calls, rounds)
        peer = seconds["torch bfloat16 compiled"]
        for name, times in seconds.items():
            cosine = float((answers[name] * first).sum(axis=1).min())
            ratio = statistics.median(a / b for a, b in zip(peer, times, strict=True))
            rows.append(
                {"name": name, "shape": f"{batch} x {length}", "milliseconds": 1000 * statistics.median(times),
                 "times_torch": ratio, "cosine": cosine}
            )  # fmt: skip
    header = ["side", "shape", "ms", "x torch bf16 compiled", "least cosine to the first"]
    print(f"{num_layers} layers x {hidden_dim}, {THREADS} threads, medians of {rounds} alternating rounds")
    print(text_table(header, [list(row.values()) for row in rows]))
    if json:
        with open(json, "w") as file:
            json_module.dump(rows, file, indent=2)


def _long_lines(text: list[str] | None) -> list[str]:
    """Thirty-two texts of some 200 words."""
    words: list[str] = []
    for document in side_by_side.documents(text):
        words += document.text.split()
        if len(words) > 32 * 200:
            break
    return [" ".join(words[200 * number : 200 * (number + 1)]) for number in range(32)]


def _exports(work: str, lines: list[str], num_layers: int, hidden_dim: int, size: int) -> tuple[dict[str, str], Any]:
    """The model in every format; made once."""
    from pathlib import Path

    from onnxruntime.quantization import QuantType, quantize_dynamic

    from keras_mlm import BertConfig, BertPretrainer, WordPieceTokenizer, export_onnx, export_saved_model, export_tflite
    from keras_mlm.interop.hugging_face import save_hugging_face
    from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary

    folder = f"{work}/{num_layers}x{hidden_dim}"
    paths = {"saved_model": f"{folder}/1", "tflite": f"{folder}/tflite/1", "onnx": f"{folder}/onnx/1",
             "torch": f"{folder}/torch"}  # fmt: skip
    if not Path(paths["torch"]).exists():
        vocabulary = learn_vocabulary(lines, size, exact=False).vocabulary
        # The matrix has the size asked for, however few pieces the texts have.
        vocabulary += [f"[unused{number}]" for number in range(size - len(vocabulary))]
        config = BertConfig(
            vocabulary_size=size, num_layers=num_layers, num_heads=hidden_dim // 64, hidden_dim=hidden_dim,
            intermediate_dim=4 * hidden_dim, max_sequence_length=128,
        )  # fmt: skip
        model = BertPretrainer(config, tokenizer=WordPieceTokenizer(vocabulary))
        export_saved_model(model, folder, version=1)
        export_tflite(model, folder, length=64, version=1)
        export_onnx(model, folder, version=1)
        quantize_dynamic(
            f"{paths['onnx']}/embed_ids.onnx", f"{paths['onnx']}/embed_int8.onnx", weight_type=QuantType.QInt8
        )
        save_hugging_face(model, paths["torch"], architecture="BertModel")
    vocabulary = Path(paths["onnx"], "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return paths, vocabulary


def _tensorflow(paths: dict[str, str], length: int) -> dict[str, Callable[[list[str]], Any]]:
    """The SavedModel in sessions, as TF Serving runs it: each with settings of its own."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  the tokenizer's operations
    from tensorflow.core.protobuf import rewriter_config_pb2
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    v1 = tf.compat.v1
    cut = _cut(paths, length)

    loaded = tf.saved_model.load(paths["saved_model"])
    signature = loaded.signatures["embed"]
    constant = convert_variables_to_constants_v2(signature)
    frozen_graph = constant.graph.as_graph_def()
    place = sorted(signature.structured_outputs).index("mean_pooled")
    frozen_names = constant.inputs[0].name, constant.outputs[place].name

    def side(bfloat16: bool, frozen: bool) -> Callable[[list[str]], Any]:
        config = v1.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=1)
        if bfloat16:
            options = config.graph_options.rewrite_options
            options.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
        session = v1.Session(graph=tf.Graph(), config=config)
        with session.graph.as_default():
            if frozen:
                tf.graph_util.import_graph_def(frozen_graph, name="")
                text, vectors = frozen_names
            else:
                served = v1.saved_model.load(session, ["serve"], paths["saved_model"]).signature_def["embed"]
                text, vectors = served.inputs["text"].name, served.outputs["mean_pooled"].name
            run = session.make_callable(vectors, [text])
        return lambda texts, keep=session: run(np.array(cut(texts), object))

    return {
        "SavedModel float32": side(False, False),
        "SavedModel bfloat16": side(True, False),
        "SavedModel float32, frozen": side(False, True),
        "SavedModel bfloat16, frozen": side(True, True),
    }


def _cut(paths: dict[str, str], length: int) -> Callable[[list[str]], list[str]]:
    """Texts cut to a length, outside of what is timed: each text once."""
    from keras_mlm import WordPieceTokenizer

    tokenizer = WordPieceTokenizer(f"{paths['onnx']}/vocab.txt")
    known: dict[str, str] = {}

    def cut(texts: list[str]) -> list[str]:
        for text in texts:
            if text not in known:
                ends = tokenizer.tokenize_with_offsets([text]).ends.to_list()[0]
                known[text] = text[: ends[min(len(ends), length - 2) - 1]]
        return [known[text] for text in texts]

    return cut


def _hugging_face(vocabulary: list[str], length: int) -> Callable[[list[str]], Any]:
    import numpy as np
    from tokenizers.processors import BertProcessing

    tokenizer = side_by_side.hugging_face(vocabulary)
    tokenizer.post_processor = BertProcessing(
        ("[SEP]", vocabulary.index("[SEP]")), ("[CLS]", vocabulary.index("[CLS]"))
    )
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(pad_id=vocabulary.index("[PAD]"))

    def encode(texts: list[str]) -> Any:
        encodings = tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], "int32")
        return ids, np.array([encoding.attention_mask for encoding in encodings], "int32")

    return encode


def _torch(paths: dict[str, str], vocabulary: list[str], length: int) -> dict[str, Callable[[list[str]], Any]]:
    import torch
    from transformers import BertModel

    torch.set_num_threads(THREADS)
    encode = _hugging_face(vocabulary, length)
    plain = BertModel.from_pretrained(paths["torch"], attn_implementation="sdpa").eval()
    compiled = torch.compile(BertModel.from_pretrained(paths["torch"], attn_implementation="sdpa").eval())

    def side(model: Any, bfloat16: bool) -> Callable[[list[str]], Any]:
        def embed(texts: list[str]) -> Any:
            ids, mask = (torch.from_numpy(array).long() for array in encode(texts))
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            # [CLS] and [SEP] left out; here no text is shorter than the row.
            return torch.nn.functional.normalize(hidden[:, 1:-1].mean(dim=1), dim=1).numpy()

        return embed

    return {
        "torch float32": side(plain, False),
        "torch bfloat16": side(plain, True),
        "torch bfloat16 compiled": side(compiled, True),
    }


def _onnx(paths: dict[str, str], vocabulary: list[str], length: int) -> dict[str, Callable[[list[str]], Any]]:
    import onnxruntime

    encode = _hugging_face(vocabulary, length)

    def side(name: str) -> Callable[[list[str]], Any]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(f"{paths['onnx']}/{name}.onnx", options, ["CPUExecutionProvider"])

        def embed(texts: list[str]) -> Any:
            ids, mask = encode(texts)
            return session.run(["mean_pooled"], {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": mask})[0]

        return embed

    return {"onnxruntime float32": side("embed_ids"), "onnxruntime int8": side("embed_int8")}


def _tflite(paths: dict[str, str]) -> dict[str, Callable[[list[str]], Any]]:
    import numpy as np
    from ai_edge_litert.interpreter import InterpreterWithCustomOps
    from tensorflow_text import tflite_registrar

    def side(precision: str, threads: int) -> Callable[[list[str]], Any]:
        interpreter = InterpreterWithCustomOps(
            model_path=f"{paths['tflite']}/text_{precision}.tflite",
            custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS, num_threads=threads,
        )  # fmt: skip
        runner = interpreter.get_signature_runner("embed")
        return lambda texts, keep=interpreter: runner(text=np.array(texts))["mean_pooled"]

    return {
        "TFLite float32": side("float32", THREADS),
        "TFLite dynamic int8": side("dynamic_int8", THREADS),
        "TFLite dynamic int8, one thread": side("dynamic_int8", 1),
    }


if __name__ == "__main__":
    command_line.run(serving_latency)
