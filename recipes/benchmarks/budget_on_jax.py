"""Which style, size and rate learn most in a time budget: as many steps as fit here, computed on a GPU under JAX."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any, Literal

import train_on_jax
from campaign import cell_folder, kept_rows, row_of, run_cells_side_by_side

from keras_mlm import command_line

MEASURED_SECONDS = 15.0  # of each size
# What a style is tried with, in the order in which it is run.
GRID: dict[str, dict[str, list[float]]] = {
    "classic": {"tiny": [1e-3, 5e-4, 2e-3], "mini": [5e-4, 1e-3], "small": [5e-4]},
    "modern": {"tiny": [4e-3, 2e-3, 1e-3, 8e-3], "mini": [2e-3, 1e-3, 4e-3], "small": [1.5e-3, 1e-3]},
    "short_budget": {"tiny": [4e-3, 2e-3], "mini": [2e-3]},
}
# Styles that are trained on the same rows.
ROWS = {"classic": "pairs", "short_budget": "pairs", "modern": "packed"}


def budget_on_jax(
    *,
    part: Literal["rows", "train", "table"],
    data: str = "data/wikinews_novels",
    work: str = "saved_models/budget_on_jax",
    results: str = "recipes/benchmarks/results/budget_on_jax.json",
    styles: list[str] | None = None,
    minutes: list[float] | None = None,
    only: list[str] | None = None,
    seeds: list[int] | None = None,
    length: int = 128,
    batch_size: int = 64,
    masked_epochs: int = 4,
    processes: int = 4,
    seconds: float = math.inf,
) -> None:
    """Train every size and rate of each style for as many steps as a budget has on this CPU, and print the table.

    *rows* measures here how long a step of each size takes, with all cores, and writes rows; *train* trains without
    TensorFlow where a GPU is, where a budget of minutes takes seconds; *table* prints held-out losses. Cells that stand
    in the results are not run again; the first seed of all comes before the second. Each leaves a work folder of
    train_on_jax, whose part model makes a model folder of it.

    Args:
        part: What to do.
        data: Folder that prepare_corpus wrote.
        work: Folder for rows and weights.
        results: JSON file of finished cells; read, and written after every cell.
        styles: By default classic and modern; short_budget is the third.
        minutes: Budgets; 20 and 5 by default.
        only: Cells of the grid to run, each as STYLE:PRESET:RATE; by default all.
        seeds: Of the first weights; by default 0 only.
        length: Tokens a row.
        batch_size: Rows a step.
        masked_epochs: Epochs that are masked each in its own way; after the last the first comes again.
        processes: Cells at a time.
        seconds: After which no cell is begun.
    """
    wanted = styles or ["classic", "modern"]
    settings = {"length": length, "batch_size": batch_size}
    cells = [
        {"corpus": Path(data).name, "style": style, "preset": preset, **settings, "learning_rate": rate,
         "minutes": budget, "seed": seed}
        for seed in seeds or [0] for budget in minutes or [20.0, 5.0] for style in wanted
        for preset, rates in GRID[style].items() for rate in rates
        if only is None or f"{style}:{preset}:{rate:g}" in only
    ]  # fmt: skip
    if part == "rows":
        for kind in dict.fromkeys(ROWS[style] for style in wanted):
            kept = [style for style in wanted if ROWS[style] == kind]
            write_rows(f"{work}/{kind}", data, kept, settings, masked_epochs)
    elif part == "train":
        run_cells_side_by_side(cells, results, run_cell, work, processes, seconds, train_on_jax.without_tensorflow)
    print_table(cells, results)


def write_rows(work: str, data: str, styles: list[str], settings: dict[str, Any], epochs: int) -> None:
    """Write rows that some styles have in common, and how long a step takes here with each size of each."""
    kept = Path(work, "paces.json")
    paces = json.loads(kept.read_text()) if kept.exists() else {}
    paces |= {style: measured_paces(data, style, settings) for style in styles if style not in paces}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(paces, indent=1) + "\n")
    endless = {**settings, "precision": "mixed_bfloat16", "steps": 1 << 20}
    train_on_jax.write_rows(work, data, "tiny", styles[0], epochs, endless)
    train_on_jax.write_held_out(work, data)


def measured_paces(data: str, style: str, settings: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of a step as pretrain.py takes it here, of each size."""
    import keras

    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.training.pace import seconds_per_step
    from keras_mlm.training.precision import fastest_precision

    precision = fastest_precision()
    training = PretrainingConfig.from_style(style, steps=1, precision=precision, **settings)
    rows = PretrainingDataset.from_config(data, training)
    keras.config.set_dtype_policy(precision)
    paces = {}
    for preset in GRID[style]:
        config = BertConfig.from_preset(preset, style=style, vocabulary_size=rows.manifest.vocabulary_size)
        paces[preset] = seconds_per_step(config, training, rows.batches(), seconds=MEASURED_SECONDS)
        print(f"{style} {preset}: {1000 * paces[preset]:.1f} ms a step in {precision}", flush=True)
    keras.config.set_dtype_policy("float32")
    return paces


def run_cell(cell: dict[str, Any], work: str) -> dict[str, Any]:
    """Train and evaluate one model, and leave its weights."""
    import keras

    from keras_mlm.config import BertConfig

    rows = f"{work}/{ROWS[cell['style']]}"
    config, training, tokens_a_row = train_on_jax.read_job(rows)
    config = BertConfig.from_preset(cell["preset"], style=cell["style"], vocabulary_size=config.vocabulary_size)
    steps = _steps(cell, work)
    training = dataclasses.replace(training, steps=steps, seed=cell["seed"], learning_rate=cell["learning_rate"])
    model = train_on_jax.compiled_model(config, training)
    found = train_on_jax.learned_figures(model, rows, steps)
    place = cell_folder(work, cell)
    Path(place).mkdir(parents=True, exist_ok=True)
    for name in ("vocab.txt", "tokenizer.json"):
        shutil.copy(f"{rows}/{name}", place)
    train_on_jax.write_job(place, config, training, tokens_a_row)
    train_on_jax.hand_over(model, train_on_jax.read_batches(f"{rows}/rows.npz.xz")[0][0], place)
    Path(place, "trained.json").write_text(json.dumps({"device": found["device"], "steps": steps}) + "\n")
    keras.utils.clear_session()
    return {**cell, "steps": steps, **found}


def _steps(cell: dict[str, Any], work: str) -> int:
    """Return how many steps the budget of a cell has at the pace that was measured."""
    paces = json.loads(Path(work, ROWS[cell["style"]], "paces.json").read_text())
    return int(60 * cell["minutes"] / paces[cell["style"]][cell["preset"]])


def print_table(cells: list[dict[str, Any]], results: str) -> None:
    """Print the losses, the best of a style and budget first."""
    from keras_mlm.text_table import text_table

    rows = kept_rows(results)
    found = sorted(
        ((cell, row_of(cell, rows) or {}) for cell in cells),
        key=lambda pair: (pair[0]["minutes"], pair[0]["style"], pair[0]["seed"], pair[1].get("loss", math.inf)),
    )
    shown = ["minutes", "style", "seed", "preset", "learning_rate", "steps", "loss", "accuracy"]
    lines = [[{"loss": "not run", **cell, **row}.get(name) for name in shown] for cell, row in found]
    perplexities = [round(math.exp(row["loss"]), 1) if row else None for _, row in found]
    print(text_table([*shown, "perplexity"], [[*line, last] for line, last in zip(lines, perplexities, strict=True)]))


if __name__ == "__main__":
    command_line.run(budget_on_jax, backend=train_on_jax.backend_asked())
