"""How long a training step takes on a GPU, under Keras' JAX backend, beside Hugging Face's models in PyTorch."""

import json as json_module
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from side_process import SideProcess
from step_peers import hugging_face_model, keras_inputs, random_batch

from keras_mlm import command_line
from keras_mlm.config import PRESETS
from keras_mlm.errors import InputError
from keras_mlm.text_table import text_table

# The one setting beyond XLA's own: large products are cuBLAS' fastest, and trying Triton's besides takes a minute.
XLA_FLAGS = "--xla_gpu_enable_triton_gemm=false"


def gpu_step(
    *,
    shapes: list[str] | None = None,
    sides: list[str] | None = None,
    json: str | None = None,
    steps: int = 30,
    rounds: int = 5,
    vocabulary_size: int = 30522,
    peak: float = 989e12,
    seconds: float = 480,
) -> None:
    """Compare a training step of this package, as `fit` takes it on JAX, with those of Hugging Face's models.

    Forward, backward and AdamW with clipping, in bfloat16, on rows of random ids without padding of which 15 % are
    masked. Two sides at a time are on the card, each in a process of its own, and take turns; nothing here imports
    TensorFlow. Shares of the peak count the products that the loss needs, not what is computed twice or thrown away.

    Args:
        shapes: What to train, each as PRESET:ROWSxLENGTH; base and large at 128 and 512 tokens by default.
        sides: Sides to run, by their names in the table, the first beside the second and so on; by default ours and
            Hugging Face's without dropout, then both with it.
        json: File to write the rows to, after every round.
        steps: Steps a round.
        rounds: How often each side runs.
        vocabulary_size: Tokens of the vocabulary.
        peak: Multiplications and additions a second that the card's maker states for bfloat16 without sparsity;
            989e12 is the H100's and the H200's.
        seconds: After which nothing new is begun.
    """
    end = time.monotonic() + seconds
    names = sides or ["keras_mlm dropout 0", f"{HF} dropout 0", "keras_mlm", HF]
    if unknown := sorted(set(names) - set(SIDES)):
        raise InputError(f"unknown sides {', '.join(unknown)}; known are {', '.join(SIDES)}")
    todo = [_shape(text, steps, vocabulary_size) for text in shapes or DEFAULT_SHAPES]
    process = SideProcess(_yardsticks, todo)
    process.wait(until=min(end, time.monotonic() + LONGEST_START))
    yardsticks, _ = process.ask(until=end)
    process.close()
    rate = yardsticks["bfloat16"]
    print(f"{yardsticks['device']}, matrix product of bfloat16 {rate / 1e12:,.1f} TFLOP/s", flush=True)
    print(f"attention without dropout by {yardsticks['attention']}", flush=True)
    rows: list[dict[str, Any]] = []
    for shape, flops in zip(todo, yardsticks["flops"], strict=True):
        known: list[dict[str, Any]] = []
        for pair in (names[first : first + 2] for first in range(0, len(names), 2)):
            latest: list[dict[str, Any]] = []
            for found in _measured(pair, shape, rounds, end):
                latest = [_row(name, shape, entry, flops, rate, peak) for name, entry in found.items()]
                if json:
                    entries = {**yardsticks, "rows": rows + known + latest}
                    Path(json).write_text(json_module.dumps(entries, indent=1) + "\n")
            known += latest
        rows += known
        columns = list(dict.fromkeys(column for row in known for column in row if column != "shape"))
        print(f"{shape['text']}, {shape['predictions']} masked, {flops / 1e12:.2f} TFLOP a step, {rounds} rounds")
        print(text_table(columns, [[row.get(column, "") for column in columns] for row in known]), flush=True)


def _shape(text: str, steps: int, vocabulary_size: int) -> dict[str, Any]:
    try:
        preset, size = text.split(":")
        batch_size, length = map(int, size.split("x"))
        layers, hidden, heads = PRESETS[preset]
    except (ValueError, KeyError):
        raise InputError(f"shape {text!r} is not like base:256x128") from None
    return {
        "text": text, "batch_size": batch_size, "length": length, "predictions": math.ceil(0.15 * length),
        "vocabulary_size": vocabulary_size, "num_layers": layers, "hidden_dim": hidden, "num_heads": heads,
        "steps": steps,
    }  # fmt: skip


def _measured(names: list[str], shape: dict[str, Any], rounds: int, end: float) -> Iterator[dict[str, dict[str, Any]]]:
    """Give what is known of each side, after every round."""
    found: dict[str, dict[str, Any]] = {name: {"seconds": []} for name in names}
    processes: dict[str, SideProcess] = {}

    def give_up(name: str, error: RuntimeError) -> None:
        found[name]["failed"] = str(error)
        processes.pop(name).close()

    try:
        processes |= {name: SideProcess(_side, name, shape) for name in names}
        for name in names:
            try:
                processes[name].wait(until=min(end, time.monotonic() + LONGEST_START))
                found[name]["seconds_to_start"] = round(processes[name].seconds_to_start)
            except RuntimeError as error:
                give_up(name, error)
            print(f"  {name}: {found[name].get('failed', 'started')}", flush=True)
        for _ in range(rounds):
            for name in list(processes):
                try:
                    answer, seconds = processes[name].ask(until=end)
                    found[name] |= answer
                    found[name]["seconds"].append(seconds / shape["steps"])
                except RuntimeError as error:
                    give_up(name, error)
            yield found
    finally:
        for process in processes.values():
            process.close()


def _row(
    name: str, shape: dict[str, Any], found: dict[str, Any], flops: float, rate: float, peak: float
) -> dict[str, Any]:
    row = {"side": name, "shape": shape["text"]}
    if times := found["seconds"]:
        step = statistics.median(times)
        row |= {"milliseconds": round(1000 * step, 2), "spread": round(1000 * (max(times) - min(times)), 2)}
        row |= {"tokens_per_second": round(shape["batch_size"] * shape["length"] / step)}
        row |= {"share_of_peak": round(flops / step / peak, 3), "share_of_matmul": round(flops / step / rate, 3)}
    return row | {key: value for key, value in found.items() if key != "seconds"}


def _settle_jax() -> Any:
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("XLA_FLAGS", XLA_FLAGS)
    # Others are on the card, too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    # Half of the work for dropout's random numbers; the other way is for arrays that are spread over devices.
    jax.config.update("jax_threefry_partitionable", False)
    return jax


def _yardsticks(shapes: list[dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Return the card's name and rate, and the products of a step of each shape."""
    jax = _settle_jax()
    from keras_mlm.config import PretrainingConfig
    from keras_mlm.training.flops import flops_per_step

    flops = [
        flops_per_step(
            _config(shape, 0.0),
            PretrainingConfig(
                length=shape["length"], batch_size=shape["batch_size"], steps=1,
                mask_selection_length=shape["predictions"],
            ),
        )
        for shape in shapes
    ]  # fmt: skip
    import keras

    rows = jax.numpy.zeros((2, 128, 12, 64), "bfloat16")
    attention = jax.jit(keras.ops.dot_product_attention).lower(rows, rows, rows).as_text()
    size = 8192 if jax.default_backend() == "gpu" else 512
    # Random numbers: products of zeros are faster.
    left, right = (jax.random.normal(jax.random.key(seed), (size, size), "bfloat16") for seed in (0, 1))
    multiply = jax.jit(lambda a, b: a @ b)

    def once() -> float:
        began = time.perf_counter()
        jax.block_until_ready([multiply(left, right) for _ in range(20)])
        return (time.perf_counter() - began) / 20

    once()
    device = jax.devices()[0].device_kind
    return lambda: {
        "device": device, "jax": jax.__version__, "flops": flops,
        "attention": "cuDNN" if "fmha" in attention else "XLA",
        "bfloat16": 2.0 * size**3 / min(once() for _ in range(5)),
    }  # fmt: skip


def _config(shape: dict[str, Any], dropout: float) -> Any:
    from keras_mlm.config import BertConfig

    sizes = {name: shape[name] for name in ("vocabulary_size", "num_layers", "num_heads", "hidden_dim")}
    return BertConfig(**sizes, intermediate_dim=4 * shape["hidden_dim"], dropout=dropout, next_sentence=False)


def _side(name: str, shape: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Return a function that takes the steps of a round; some are already taken."""
    build, *settings = SIDES[name]
    take, megabytes = build(shape, random_batch(shape), *settings)
    take(2)

    def once() -> dict[str, Any]:
        return {"loss": round(float(take(shape["steps"])), 3), "megabytes": round(megabytes())}

    return once


def _keras_mlm(shape: dict[str, Any], batch: dict[str, Any], dropout: float) -> tuple[Callable[[int], float], Any]:
    """`fit` of a compiled model, with the optimizer that recipes/pretrain.py has."""
    jax = _settle_jax()
    import keras
    import numpy as np

    from keras_mlm.config import PretrainingConfig
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.training.optimizers import optimizer_from

    keras.config.set_dtype_policy("mixed_bfloat16")
    model = BertPretrainer(_config(shape, dropout))
    model.compile(optimizer_from(PretrainingConfig(steps=1)), jit_compile=True)
    weights = {"masked_lm": np.ones(batch["mask_ids"].shape, "float32")}
    rows = (keras_inputs(batch), {"masked_lm": batch["mask_ids"]}, weights)

    def take(steps: int) -> float:
        # Without a progress line, nothing in `fit` waits for the device before the last step.
        history = model.fit(_repeated(rows), steps_per_epoch=steps, verbose=0, shuffle=False).history
        jax.block_until_ready([variable.value for variable in model.trainable_variables])
        if "tensorflow" in sys.modules:
            raise RuntimeError("TensorFlow was imported")
        return float(history["loss"][-1])

    def megabytes() -> float:
        return float((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 1e6)

    return take, megabytes


def _repeated(rows: Any) -> Iterator[Any]:
    while True:
        yield rows


def _torch(
    shape: dict[str, Any], batch: dict[str, Any], kind: str, dropout: float, compiled: bool, pure: bool = False
) -> tuple[Callable[[int], float], Any]:
    """Hugging Face's BERT with logits at all positions or at the masked ones, or ModernBERT with sparse prediction."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    rates = {} if kind == "modern" else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model = hugging_face_model(shape, kind, **rates)
    model = model.to(device, torch.bfloat16 if pure else torch.float32).train()
    ids = torch.from_numpy(batch["token_ids"]).long().to(device)
    positions = torch.from_numpy(batch["mask_positions"]).long().to(device)
    labels = torch.full_like(ids, -100).scatter(1, positions, ids.gather(1, positions))
    places = (positions + shape["length"] * torch.arange(len(ids), device=device)[:, None]).flatten()
    wanted = labels.flatten()[places]

    def loss_of() -> Any:
        # No row is padded, and without a mask its attention takes the fastest of PyTorch's kernels.
        if kind != "masked":
            return model(input_ids=ids, labels=labels).loss
        hidden = model.bert(input_ids=ids).last_hidden_state
        logits = model.cls(hidden.reshape(-1, hidden.shape[-1])[places])
        return torch.nn.functional.cross_entropy(logits.float(), wanted)

    compiled_loss = torch.compile(loss_of) if compiled else loss_of
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)

    def take(steps: int) -> float:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device, torch.bfloat16, enabled=not pure):
                loss = compiled_loss()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return float(loss.item())

    return take, lambda: torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else 0.0


LONGEST_START = 200  # seconds
DEFAULT_SHAPES = ("base:256x128", "base:64x512", "large:128x128", "large:32x512")
HF = "HF Bert masked only compiled"
# Where nothing else is said, dropout is 0.1, and weights are float32 with products in bfloat16.
SIDES: dict[str, tuple[Any, ...]] = {
    "keras_mlm dropout 0": (_keras_mlm, 0.0),
    "keras_mlm": (_keras_mlm, 0.1),
    f"{HF} dropout 0": (_torch, "masked", 0.0, True),
    HF: (_torch, "masked", 0.1, True),
    f"{HF} bfloat16 weights": (_torch, "masked", 0.1, True, True),
    f"{HF} bfloat16 weights dropout 0": (_torch, "masked", 0.0, True, True),
    "HF Bert compiled": (_torch, "stock", 0.1, True),
    "HF Bert": (_torch, "stock", 0.1, False),
    "ModernBERT sparse compiled dropout 0": (_torch, "modern", 0.0, True),
}


if __name__ == "__main__":
    command_line.run(gpu_step, backend="jax")
