"""What the same minutes of two cores buy: held-out loss of this package and of Hugging Face's models, cell by cell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import side_by_side
from bars import draw_bars
from campaign import cell_folder, check_sides, kept_rows, run_cells, run_recipe, table_lines
from quality_peers import trained_loss
from side_by_side import in_a_process

from keras_mlm import command_line

# A style of this package, or what Hugging Face calls it, with its share of masks: ModernBERT's own is 30 %.
SIDES: dict[str, tuple[str, float | None]] = {
    "keras_mlm short_budget": ("short_budget", None),
    "keras_mlm modern": ("modern", None),
    "ModernBERT": ("modern", 0.3),
    "ModernBERT, 15 % masks": ("modern", 0.15),
    "HF Bert": ("masked", 0.15),
}
# More than the fastest side takes in a minute on two cores; who needs more begins anew.
ROWS_A_MINUTE = 25_000


def time_to_quality(
    *,
    data: str,
    results: str = "recipes/benchmarks/results/time_to_quality.json",
    picture: str = "recipes/benchmarks/results/time_to_quality.png",
    minutes: float = 10.0,
    sides: list[str] | None = None,
    presets: list[str] | None = None,
    learning_rates: list[float] | None = None,
    batch_sizes: list[int] | None = None,
    length: int = 128,
    seeds: list[int] | None = None,
    work: str = "saved_models/time_to_quality",
    only_table: bool = False,
) -> None:
    """Train every side with every size, rate and batch for the same minutes; compare the best loss of each.

    This package runs recipes/pretrain.py: its minutes count everything but the start of Python. The peers, in PyTorch,
    compiled and in the fastest precision of the machine, have what costs least: masked rows in memory without padding,
    logits at masked positions only, no dropout, AdamW, warm-up over a tenth and linear decay; their compilation is not
    counted. All are judged on the same held-out rows with the same masks, 15 %, single tokens.

    A cell that stands in the results file is not run again. Nothing else should run beside it.

    Args:
        data: Folder that prepare_corpus wrote.
        results: JSON file of finished cells; read, and written after every cell.
        picture: PNG file to draw the best cell of each side into.
        minutes: Length of each training.
        sides: By the names in the table; by default all.
        presets: Sizes; by default tiny and mini.
        learning_rates: Highest rates; by default 4e-3, 2e-3 and 1e-3.
        batch_sizes: Rows a step; by default 32.
        length: Tokens a row.
        seeds: By default 0 only.
        work: Folder for the models and the peers' rows.
        only_table: Whether to run nothing and print what is there.
    """
    from keras_mlm.text_table import text_table

    check_sides(sides, SIDES)
    cells = [
        {"side": side, "preset": preset, "learning_rate": rate, "batch_size": batch_size, "length": length,
         "minutes": minutes, "seed": seed}
        for seed in seeds or [0] for preset in presets or ["tiny", "mini"]
        for batch_size in batch_sizes or [32] for rate in learning_rates or [4e-3, 2e-3, 1e-3]
        for side in sides or SIDES
    ]  # fmt: skip

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        kind, mask_rate = SIDES[cell["side"]]
        if mask_rate is None:
            return _train_here(cell, kind, data, work)
        return _train_peer(cell, kind, mask_rate, data, work)

    if not only_table:
        run_cells(cells, results, run, minutes=minutes + 1)
    figures = ["masked_lm_loss", "steps", "parameters"]
    print(text_table([*cells[0], *figures], table_lines(cells, results, figures)))
    rows = kept_rows(results)
    best = {}
    for side in SIDES:
        losses = [row["masked_lm_loss"] for row in rows if row["side"] == side and row["minutes"] == minutes]
        if losses:
            best[side] = min(losses)
    draw_bars(best, picture, title=f"{minutes:g} minutes, best of each", label="held-out loss, nats a masked token")


def _train_here(cell: dict[str, Any], style: str, data: str, work: str) -> dict[str, Any]:
    model = cell_folder(work, cell)
    settings = {name: value for name, value in cell.items() if name != "side"}
    run_recipe("pretrain", data=data, output=model, style=style, **settings)
    with in_a_process(_loss_here, model, data, cell["length"]) as judge:
        loss, _ = judge()
    metrics = json.loads(Path(model, "metrics.json").read_text())
    return {"masked_lm_loss": round(loss, 4), "steps": metrics["steps"], "parameters": metrics["parameters"]}


def _loss_here(model: str, data: str, length: int) -> Callable[[], float]:
    from keras_mlm.evaluation.masked_lm_evaluation import evaluate_masked_lm
    from keras_mlm.model_folder import load_pretrainer

    bert = load_pretrainer(model)
    return lambda: float(evaluate_masked_lm(bert, _held_out(data, length))["masked_lm_loss"])


def _held_out(data: str, length: int) -> Any:
    from keras_mlm.data.pretraining_dataset import PretrainingDataset

    return PretrainingDataset(data, length=length, next_sentence=False, split="validation")


def _train_peer(cell: dict[str, Any], kind: str, mask_rate: float, data: str, work: str) -> dict[str, Any]:
    """Train a model of Hugging Face on rows written beforehand, in a process without TensorFlow."""
    folder = f"{work}/rows-{mask_rate:g}-{cell['length']}-{cell['minutes']:g}-{cell['seed']}"
    with in_a_process(_write_rows, folder, data, mask_rate, cell) as write:
        vocabulary_size, _ = write()
    with in_a_process(trained_loss, cell, kind, folder, vocabulary_size, side_by_side.THREADS) as train:
        found, _ = train()
    return dict(found)


def _write_rows(folder: str, data: str, mask_rate: float, cell: dict[str, Any]) -> Callable[[], int]:
    """Write the training rows that a peer may need, and the held-out ones, as arrays; return the vocabulary's size."""
    from keras_mlm.data.pretraining_dataset import PretrainingDataset

    training = PretrainingDataset(
        data, length=cell["length"], batch_size=512, mask_selection_rate=mask_rate, next_sentence=False, packed=True,
        seed=cell["seed"],
    )  # fmt: skip
    batches = training.batches().take(int(ROWS_A_MINUTE * cell["minutes"]) // 512 + 1)

    def write() -> int:
        _save_arrays(batches, Path(folder, "training"))
        _save_arrays(_held_out(data, cell["length"]).batches(), Path(folder, "held_out"))
        return training.manifest.vocabulary_size

    return write


def _save_arrays(batches: Any, folder: Path) -> None:
    """Write an array for each part of the rows, unless the folder is there, which is whole when it is."""
    import numpy as np

    if folder.exists():
        return
    parts: dict[str, list[Any]] = {}
    for inputs, labels, weights in batches.as_numpy_iterator():
        found = {name: inputs[name] for name in ("token_ids", "padding_mask", "mask_positions")}
        found |= {"mask_ids": labels["masked_lm"], "mask_weights": weights["masked_lm"] > 0}
        for name, value in found.items():
            parts.setdefault(name, []).append(value if value.dtype == bool else value.astype("uint16"))
    partial = folder.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    for name, values in parts.items():
        np.save(partial / f"{name}.npy", np.concatenate(values))
    partial.rename(folder)


if __name__ == "__main__":
    command_line.run(time_to_quality)
