"""How long a training step takes, forward, backward and AdamW, beside KerasHub and Hugging Face with equal shapes."""

import contextlib
import json as json_module
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import side_by_side
from bars import draw_bars
from campaign import check_sides
from step_peers import hugging_face_model, keras_inputs, random_batch

from keras_mlm import command_line
from keras_mlm.config import PRESETS, STYLES
from keras_mlm.environment import leave_out_unused_packages
from keras_mlm.text_table import text_table


def train_step(
    *,
    json: str | None = None,
    picture: str | None = None,
    peers: bool = True,
    preset: str = "mini",
    batch_size: int = 32,
    length: int = 128,
    predictions: int = 20,
    vocabulary_size: int = 30522,
    steps: int = 3,
    rounds: int = 9,
    only: list[str] | None = None,
) -> None:
    """Compare a training step of this package, as `fit` takes it, with those of others.

    All sides have the same size, vocabulary and optimizer (AdamW, gradients clipped at norm 1), and the same rows of
    random ids without padding. Each has a process of its own and all threads of the machine; rounds alternate, and a
    ratio is the median over rounds. Peers have dropout as they come (Hugging Face's BERT and KerasHub 0.1, ModernBERT
    none), and so has the row of this package that is to be compared with them. Run it while the machine does nothing
    else. Peers need torch and transformers (the extra test-slow) and a C++ compiler.

    Args:
        json: File to write the rows to.
        picture: PNG file to draw the milliseconds into.
        peers: Whether others run beside.
        preset: Size of the model.
        batch_size: Rows a step.
        length: Tokens a row.
        predictions: Masked tokens a row.
        vocabulary_size: Tokens of the vocabulary.
        steps: Steps a round.
        rounds: How often each side runs.
        only: Sides to run, by their names in the table; all of them by default.
    """
    check_sides(only, SIDES)
    layers, hidden, heads = PRESETS[preset]
    shape = {
        "batch_size": batch_size, "length": length, "predictions": predictions, "vocabulary_size": vocabulary_size,
        "num_layers": layers, "hidden_dim": hidden, "num_heads": heads, "steps": steps,
    }  # fmt: skip
    names = [name for name in SIDES if (peers or name.startswith("keras_mlm")) and (not only or name in only)]
    with side_by_side.in_a_process(_yardsticks, shape) as measure:
        (flops, peak), _ = measure()
    with contextlib.ExitStack() as stack:
        started = {name: side_by_side.in_a_process(_side, name, shape) for name in names}
        sides = {name: stack.enter_context(process) for name, process in started.items()}
        answers, seconds = side_by_side.alternate_processes(sides, rounds)
    rows = []
    for name, times in seconds.items():
        loss, memory = answers[name]
        step = statistics.median(times) / steps
        row = {"side": name, "milliseconds": 1000 * step, "least_milliseconds": 1000 * min(times) / steps}
        row["most_milliseconds"] = 1000 * max(times) / steps
        row |= {"tokens_per_second": round(batch_size * length / step), "megabytes": round(memory)}
        row |= {f"share_of_{precision}": round(flops / step / rate, 3) for precision, rate in peak.items()}
        rows.append({**row, "loss": round(loss, 3)})
    others = [row for row in rows if not row["side"].startswith("keras_mlm")]
    for row in rows if others else []:
        best = min(others, key=lambda row: row["milliseconds"])
        against = zip(seconds[best["side"]], seconds[row["side"]], strict=True)
        row["times_best_peer"] = round(statistics.median(a / b for a, b in against), 2)
    rates = ", ".join(f"{precision} {rate / 1e9:,.0f} GFLOP/s" for precision, rate in peak.items())
    title = f"{preset}, {batch_size} x {length}, {predictions} masked, vocabulary {vocabulary_size:,}"
    print(title)
    print(f"matrix product: {rates}")
    print(f"{side_by_side.THREADS} threads, medians of {rounds} alternating rounds of {steps} steps")
    print(text_table(list(rows[0]), [list(row.values()) for row in rows]))
    if json:
        Path(json).write_text(json_module.dumps({"shape": shape, "peak": peak, "rows": rows}, indent=1) + "\n")
    if picture:
        draw_bars({row["side"]: row["milliseconds"] for row in rows}, picture, title=title, label="milliseconds a step")


def _yardsticks(shape: dict[str, int]) -> Callable[[], tuple[float, dict[str, float]]]:
    """Return the products of a step of BERT, the same for all sides, and the machine's rates; where Keras is loaded."""
    from keras_mlm.config import PretrainingConfig
    from keras_mlm.training.flops import flops_per_step
    from keras_mlm.training.pace import peak_flops

    training = PretrainingConfig(
        length=shape["length"], batch_size=shape["batch_size"], mask_selection_length=shape["predictions"], steps=1
    )
    flops = flops_per_step(_config(shape, "classic"), training, every_position=True)
    return lambda: (flops, {precision: peak_flops(precision) for precision in ("float32", "bfloat16")})


def _config(shape: dict[str, int], style: str) -> Any:
    from keras_mlm.config import BertConfig

    sizes = {name: shape[name] for name in ("vocabulary_size", "num_layers", "num_heads", "hidden_dim")}
    return BertConfig(
        **sizes,
        intermediate_dim=4 * shape["hidden_dim"],
        max_sequence_length=max(BertConfig.max_sequence_length, shape["length"]),
        **{**STYLES[style]["model"], "next_sentence": False},
    )


def _side(name: str, shape: dict[str, int]) -> Callable[[], tuple[float, float]]:
    """Return a function that takes the steps of a round and returns the last loss and the memory used at most."""
    build, *settings = SIDES[name]
    take = build(shape, random_batch(shape), *settings)
    return lambda: (float(take()), side_by_side.peak_megabytes())


def _keras_mlm(shape: dict[str, int], batch: dict[str, Any], style: str, precision: str) -> Callable[[], float]:
    """What recipes/pretrain.py trains: its styles, its optimizer, its choice of compiling."""
    leave_out_unused_packages()
    import keras
    import numpy as np

    from keras_mlm.config import PretrainingConfig
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.precision import compiles_step

    keras.config.set_dtype_policy(precision)
    config = _config(shape, style)
    model = BertPretrainer(config)
    model.compile(optimizer_from(PretrainingConfig(steps=1)), jit_compile=compiles_step(precision))
    labels = {"masked_lm": batch["mask_ids"]}
    weights = {"masked_lm": np.ones(batch["mask_ids"].shape, "float32")}
    return _fit(model, (keras_inputs(batch), labels, weights), shape["steps"])


def _keras_hub(shape: dict[str, int], batch: dict[str, Any], precision: str, compiled: bool) -> Callable[[], float]:
    import keras
    import keras_hub

    keras.config.set_dtype_policy(precision)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=shape["vocabulary_size"], num_layers=shape["num_layers"], num_heads=shape["num_heads"],
        hidden_dim=shape["hidden_dim"], intermediate_dim=4 * shape["hidden_dim"], dropout=0.1,
    )  # fmt: skip
    model = keras_hub.models.BertMaskedLM(backbone=backbone, preprocessor=None)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=compiled,
        optimizer=keras.optimizers.AdamW(1e-4, weight_decay=0.01, global_clipnorm=1.0),
    )  # fmt: skip
    return _fit(model, (keras_inputs(batch), batch["mask_ids"]), shape["steps"])


def _fit(model: Any, batch: Any, steps: int) -> Callable[[], float]:
    import tensorflow as tf

    from keras_mlm.data.untuned import untuned

    rows = untuned(tf.data.Dataset.from_tensors(batch).cache().repeat())
    return lambda: model.fit(rows, steps_per_epoch=steps, verbose=0, shuffle=False).history["loss"][-1]


def _torch(
    shape: dict[str, int], batch: dict[str, Any], kind: str, bfloat16: bool, compiled: bool
) -> Callable[[], float]:
    """Hugging Face's BERT with logits at all positions or at the masked ones, or ModernBERT with sparse prediction."""
    import torch

    torch.set_num_threads(side_by_side.THREADS)
    model = hugging_face_model(shape, kind)
    ids = torch.from_numpy(batch["token_ids"]).long()
    positions = torch.from_numpy(batch["mask_positions"]).long()
    labels = torch.full_like(ids, -100).scatter(1, positions, ids.gather(1, positions))
    places = (positions + shape["length"] * torch.arange(len(ids))[:, None]).flatten()
    mask = torch.ones_like(ids)

    def loss_of() -> Any:
        if kind != "masked":
            return model(input_ids=ids, attention_mask=mask, labels=labels).loss
        hidden = model.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        logits = model.cls(hidden.reshape(-1, hidden.shape[-1])[places])
        return torch.nn.functional.cross_entropy(logits.float(), labels.flatten()[places])

    compiled_loss = torch.compile(loss_of) if compiled else loss_of
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    model.train()

    def take() -> float:
        for _ in range(shape["steps"]):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                loss = compiled_loss()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return loss.item()

    return take


SIDES: dict[str, tuple[Any, ...]] = {
    "keras_mlm classic": (_keras_mlm, "classic", "float32"),
    "keras_mlm classic bfloat16": (_keras_mlm, "classic", "mixed_bfloat16"),
    "keras_mlm short_budget": (_keras_mlm, "short_budget", "float32"),
    "keras_mlm short_budget bfloat16": (_keras_mlm, "short_budget", "mixed_bfloat16"),
    "keras_mlm modern": (_keras_mlm, "modern", "float32"),
    "keras_mlm modern bfloat16": (_keras_mlm, "modern", "mixed_bfloat16"),
    "KerasHub": (_keras_hub, "float32", False),
    "KerasHub XLA": (_keras_hub, "float32", True),
    "KerasHub bfloat16": (_keras_hub, "mixed_bfloat16", False),
    "HF Bert float32": (_torch, "stock", False, False),
    "HF Bert bfloat16": (_torch, "stock", True, False),
    "HF Bert masked only bfloat16 compiled": (_torch, "masked", True, True),
    "HF Bert masked only float32 compiled": (_torch, "masked", False, True),
    "ModernBERT sparse float32 compiled": (_torch, "modern", False, True),
    "ModernBERT sparse bfloat16": (_torch, "modern", True, False),
    "ModernBERT sparse bfloat16 compiled": (_torch, "modern", True, True),
}


if __name__ == "__main__":
    command_line.run(train_step)
