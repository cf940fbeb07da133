"""How fast a served encoder answers, from text to a vector, beside PyTorch and onnxruntime with the same weights."""

import contextlib
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import side_by_side
from bars import draw_bars

from keras_mlm import command_line

THREADS = side_by_side.THREADS
SHAPES = ((32, 128), (1, 64))
PEER = "torch bfloat16 compiled"


def inference(
    *,
    json: str | None = None,
    picture: str | None = None,
    text: list[str] | None = None,
    work: str = "saved_models/inference",
    num_layers: int = 6,
    hidden_dim: int = 384,
    vocabulary_size: int = 8000,
    rounds: int = 15,
) -> None:
    """Compare SavedModel and TFLite with torch (bfloat16, compiled) and onnxruntime (float32 and dynamic int8).

    All have the same weights, drawn at random: speed does not depend on what was learned. All get the same texts, each
    at least as long as the shape, and answer with the mean of the last layer; tokenizing is counted, Hugging Face's
    tokenizers for torch and onnxruntime. Each side has a process of its own and all threads of the machine. Rounds
    alternate. Needs the extras onnx and tflite, torch, transformers and a C++ compiler.

    Args:
        json: File to write the rows to.
        picture: PNG file to draw the tokens a second into.
        text: Files and folders of text; by default the docstrings of the installed Python.
        work: Folder for the exports; those of an earlier run are used again.
        num_layers: Encoder blocks.
        hidden_dim: Width; heads are 64 wide.
        vocabulary_size: Tokens of the vocabulary.
        rounds: How often each side runs.
    """
    import json as json_module

    from keras_mlm.text_table import text_table

    lines = _long_lines(text)
    folder = _exports(work, lines, num_layers, hidden_dim, vocabulary_size)
    rows = []
    for batch, length in SHAPES:
        with contextlib.ExitStack() as stack:
            names = [name for name in SIDES if batch == 1 or not name.startswith("TFLite")]
            started = {name: side_by_side.in_a_process(_side, name, folder, length, lines[:batch]) for name in names}
            sides = {name: stack.enter_context(process) for name, process in started.items()}
            answers, seconds = side_by_side.alternate_processes(sides, rounds)
        first = answers[names[0]][0]
        for name, times in seconds.items():
            vectors, memory = answers[name]
            ratio = statistics.median(a / b for a, b in zip(seconds[PEER], times, strict=True))
            middle = statistics.median(times)
            rows.append(
                {"name": name, "shape": f"{batch} x {length}", "milliseconds": 1000 * middle,
                 "least_milliseconds": 1000 * min(times), "most_milliseconds": 1000 * max(times),
                 "tokens_per_second": round(batch * length / middle), "megabytes": round(memory),
                 "times_torch": round(ratio, 2), "difference": float(abs(vectors - first).max())}
            )  # fmt: skip
    title = f"{num_layers} layers x {hidden_dim}, {THREADS} threads, medians of {rounds} alternating rounds"
    print(title)
    print(text_table(list(rows[0]), [list(row.values()) for row in rows]))
    if picture:
        speeds = {f"{row['name']}, {row['shape']}": row["tokens_per_second"] for row in rows}
        draw_bars(speeds, picture, title=title, label="tokens a second, text to vector")
    if json:
        with open(json, "w") as file:
            json_module.dump(rows, file, indent=2)


def _side(name: str, folder: str, length: int, texts: list[str]) -> Callable[[], Any]:
    build, *settings = SIDES[name]
    embed = build(folder, length, texts, *settings)
    return lambda: (embed(), side_by_side.peak_megabytes())


def _long_lines(text: list[str] | None) -> list[str]:
    """Thirty-two texts of some 200 words."""
    words: list[str] = []
    for document in side_by_side.documents(text):
        words += document.text.split()
        if len(words) > 32 * 200:
            break
    return [" ".join(words[200 * number : 200 * (number + 1)]) for number in range(32)]


def _exports(work: str, lines: list[str], num_layers: int, hidden_dim: int, size: int) -> str:
    """The folder of the model in every format; made once."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from keras_mlm import (
        BertConfig,
        BertPretrainer,
        ExportOptions,
        WordPieceTokenizer,
        export_onnx,
        export_saved_model,
        export_tflite,
    )
    from keras_mlm.interop.hugging_face import save_hugging_face
    from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary

    folder = f"{work}/{num_layers}x{hidden_dim}"
    if not Path(folder, "torch").exists():
        vocabulary = learn_vocabulary(lines, size, exact=False).vocabulary
        # The matrix has the size asked for, however few pieces the texts have.
        vocabulary += [f"[unused{number}]" for number in range(size - len(vocabulary))]
        config = BertConfig(
            vocabulary_size=size, num_layers=num_layers, num_heads=hidden_dim // 64, hidden_dim=hidden_dim,
            intermediate_dim=4 * hidden_dim, max_sequence_length=128,
        )  # fmt: skip
        model = BertPretrainer(config, tokenizer=WordPieceTokenizer(vocabulary))
        export_saved_model(model, folder, ExportOptions(version=1))
        export_tflite(model, folder, ExportOptions(length=64, version=1))
        export_onnx(model, folder, ExportOptions(version=1))
        files = [f"{folder}/onnx/1/embed_{kind}.onnx" for kind in ("ids", "int8")]
        quantize_dynamic(*files, weight_type=QuantType.QInt8)
        save_hugging_face(model, f"{folder}/torch", architecture="BertModel")
    return folder


def _tensorflow(folder: str, length: int, texts: list[str], bfloat16: bool, frozen: bool) -> Callable[[], Any]:
    """The SavedModel in a session, as TF Serving runs it, or with its variables made constants first."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  the tokenizer's operations
    from tensorflow.core.protobuf import rewriter_config_pb2
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    v1 = tf.compat.v1
    config = v1.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=1)
    if bfloat16:
        options = config.graph_options.rewrite_options
        options.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    session = v1.Session(graph=tf.Graph(), config=config)
    if frozen:
        loaded = tf.saved_model.load(f"{folder}/1")  # its signatures hold its variables weakly
        signature = loaded.signatures["embed"]
        constant = convert_variables_to_constants_v2(signature)
        place = sorted(signature.structured_outputs).index("mean_pooled")
        text, vectors = constant.inputs[0].name, constant.outputs[place].name
    with session.graph.as_default():
        if frozen:
            tf.graph_util.import_graph_def(constant.graph.as_graph_def(), name="")
        else:
            served = v1.saved_model.load(session, ["serve"], f"{folder}/1").signature_def["embed"]
            text, vectors = served.inputs["text"].name, served.outputs["mean_pooled"].name
        run = session.make_callable(vectors, [text])
    cut = np.array(_cut(folder, texts, length), object)
    return lambda: run(cut)


def _cut(folder: str, texts: list[str], length: int) -> list[str]:
    """Texts of as many tokens as the shape has: the export itself cuts at 128."""
    from keras_mlm import WordPieceTokenizer

    tokenizer = WordPieceTokenizer(f"{folder}/onnx/1/vocab.txt")
    ends = tokenizer.tokenize_with_offsets(texts).ends.to_list()
    return [text[: end[min(len(end), length - 2) - 1]] for text, end in zip(texts, ends, strict=True)]


def _hugging_face(folder: str, length: int) -> Callable[[list[str]], Any]:
    import numpy as np
    from tokenizers.processors import BertProcessing

    vocabulary = Path(folder, "onnx", "1", "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = side_by_side.hugging_face(vocabulary)
    ends = [(token, vocabulary.index(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = BertProcessing(*ends)
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(pad_id=vocabulary.index("[PAD]"))

    def encode(texts: list[str]) -> Any:
        encodings = tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], "int32")
        return ids, np.array([encoding.attention_mask for encoding in encodings], "int32")

    return encode


def _torch(folder: str, length: int, texts: list[str], bfloat16: bool, compiled: bool) -> Callable[[], Any]:
    import torch
    from transformers import BertModel

    torch.set_num_threads(THREADS)
    encode = _hugging_face(folder, length)
    model: Any = BertModel.from_pretrained(f"{folder}/torch", attn_implementation="sdpa").eval()
    if compiled:
        model = torch.compile(model)

    def embed() -> Any:
        ids, mask = (torch.from_numpy(array).long() for array in encode(texts))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        # [CLS] and [SEP] left out; here no text is shorter than the row.
        return torch.nn.functional.normalize(hidden[:, 1:-1].mean(dim=1), dim=1).numpy()

    return embed


def _onnx(folder: str, length: int, texts: list[str], name: str) -> Callable[[], Any]:
    import onnxruntime

    encode = _hugging_face(folder, length)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(f"{folder}/onnx/1/{name}.onnx", options, ["CPUExecutionProvider"])

    def embed() -> Any:
        ids, mask = encode(texts)
        return session.run(["mean_pooled"], {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": mask})[0]

    return embed


def _tflite(folder: str, length: int, texts: list[str], precision: str, threads: int) -> Callable[[], Any]:
    import numpy as np
    from ai_edge_litert.interpreter import InterpreterWithCustomOps
    from tensorflow_text import tflite_registrar

    interpreter = InterpreterWithCustomOps(
        model_path=f"{folder}/tflite/1/text_{precision}.tflite",
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS, num_threads=threads,
    )  # fmt: skip
    runner = interpreter.get_signature_runner("embed")
    return lambda keep=interpreter: runner(text=np.array(texts))["mean_pooled"]


SIDES: dict[str, tuple[Any, ...]] = {
    "SavedModel float32": (_tensorflow, False, False),
    "SavedModel bfloat16": (_tensorflow, True, False),
    "SavedModel float32, frozen": (_tensorflow, False, True),
    "SavedModel bfloat16, frozen": (_tensorflow, True, True),
    "torch float32": (_torch, False, False),
    "torch bfloat16": (_torch, True, False),
    "torch bfloat16 compiled": (_torch, True, True),
    "onnxruntime float32": (_onnx, "embed_ids"),
    "onnxruntime int8": (_onnx, "embed_int8"),
    "TFLite float32": (_tflite, "float32", THREADS),
    "TFLite dynamic int8": (_tflite, "dynamic_int8", THREADS),
    "TFLite dynamic int8, one thread": (_tflite, "dynamic_int8", 1),
}


if __name__ == "__main__":
    command_line.run(inference)
