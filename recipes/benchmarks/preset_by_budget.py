"""Which preset learns most within a time budget: one training and one evaluation a cell, kept as they finish."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from side_by_side import keep_rows, kept_rows, row_of

from keras_mlm import command_line

KEPT = (
    "perplexity", "unigram_perplexity", "neighbour_perplexity", "masked_lm_accuracy", "next_sentence_accuracy",
    "cloze_top1", "cloze_top5", "cloze_sentences", "targets", "steps", "seconds", "tokens_per_second", "parameters",
)  # fmt: skip


def preset_by_budget(
    *,
    data: list[str],
    results: str,
    minutes: float = 10.0,
    presets: list[str] | None = None,
    learning_rates: list[float] | None = None,
    lengths: list[int] | None = None,
    styles: list[str] | None = None,
    batch_size: int = 64,
    seeds: list[int] | None = None,
    work: str = "saved_models/preset_by_budget",
) -> None:
    """Train and evaluate every preset, rate and length on every corpus for the same minutes, and print the table.

    A cell that stands in the results file is not run again, so the command can be stopped and said again. The first
    seed of all cells comes before the second.

    Args:
        data: Folders that prepare_corpus wrote; their names tell the rows apart.
        results: JSON file of finished cells; read, and written after every cell.
        minutes: Length of each training.
        presets: Sizes; by default tiny and mini. auto is run once a length, with the rate it chooses.
        learning_rates: Highest rates; by default 4e-3 and 2e-3.
        lengths: Tokens a row; by default 64.
        styles: By default short_budget only.
        batch_size: Rows a step.
        seeds: By default 0 only.
        work: Folder for the models.
    """
    rows: list[dict[str, Any]] = [{"style": "short_budget", **row} for row in kept_rows(results)]
    cells = [
        {"corpus": Path(folder).name, "style": style, "preset": preset, "length": length, "batch_size": batch_size,
         "learning_rate": rate, "minutes": minutes, "seed": seed}
        for seed in seeds or [0]
        for style in styles or ["short_budget"]
        for preset in presets or ["tiny", "mini"]
        for length in lengths or [64]
        for rate in (learning_rates or [4e-3, 2e-3] if preset != "auto" else [None])
        for folder in data
    ]  # fmt: skip
    folders = {Path(folder).name: folder for folder in data}
    missing = [cell for cell in cells if row_of(cell, rows) is None]
    for number, cell in enumerate(missing):
        left = (len(missing) - number) * (minutes + 1)
        print(f"{len(cells) - len(missing) + number + 1} of {len(cells)}: {cell}; {left:.0f} minutes left", flush=True)
        rows.append({**cell, **_run(cell, folders[cell["corpus"]], work)})
        keep_rows(rows, results)
    _print_table(rows)


def _run(cell: dict[str, Any], data: str, work: str) -> dict[str, Any]:
    model = f"{work}/{'-'.join(str(value) for value in cell.values())}"
    recipes = Path(__file__).parent.parent
    options = {
        "data": data, "output": model, "preset": cell["preset"], "style": cell["style"], "minutes": cell["minutes"],
        "length": cell["length"], "batch-size": cell["batch_size"], "learning-rate": cell["learning_rate"],
        "seed": cell["seed"],
    }  # fmt: skip
    arguments = [part for name, value in options.items() if value is not None for part in (f"--{name}", str(value))]
    subprocess.run([sys.executable, str(recipes / "pretrain.py"), *arguments], check=True)
    evaluation = ["--model", model, "--data", data, "--length", str(cell["length"])]
    subprocess.run([sys.executable, str(recipes / "evaluate.py"), *evaluation], check=True)
    metrics = json.loads(Path(model, "metrics.json").read_text())
    return {name: metrics[name] for name in KEPT if name in metrics} | {"date": time.strftime("%Y-%m-%d")}


def _print_table(rows: list[dict[str, Any]]) -> None:
    from keras_mlm.text_table import text_table

    shown = ("corpus", "style", "preset", "length", "learning_rate", "minutes", "seed", "steps", "perplexity",
             "neighbour_perplexity", "unigram_perplexity", "masked_lm_accuracy", "next_sentence_accuracy",
             "cloze_top1", "cloze_top5")  # fmt: skip
    order = sorted(rows, key=lambda row: (row["corpus"], row["minutes"], row["perplexity"]))
    print(text_table(shown, [[row.get(name) for name in shown] for row in order]))


if __name__ == "__main__":
    command_line.run(preset_by_budget)
