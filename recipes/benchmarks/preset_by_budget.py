"""Which preset learns most within a time budget: one training and one evaluation a cell, kept as they finish."""

import json
from pathlib import Path
from typing import Any

from campaign import cell_folder, kept_rows, run_cells, run_recipe

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

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        model, corpus = cell_folder(work, cell), folders[cell["corpus"]]
        run_recipe("pretrain", data=corpus, output=model, **{k: v for k, v in cell.items() if k != "corpus"})
        run_recipe("evaluate", model=model, data=corpus, length=cell["length"])
        metrics = json.loads(Path(model, "metrics.json").read_text())
        return {name: metrics[name] for name in KEPT if name in metrics}

    run_cells(cells, results, run, minutes=minutes + 1)
    _print_table(kept_rows(results))


def _print_table(rows: list[dict[str, Any]]) -> None:
    from keras_mlm.text_table import text_table

    shown = ("corpus", "style", "preset", "length", "learning_rate", "minutes", "seed", "steps", "perplexity",
             "neighbour_perplexity", "unigram_perplexity", "masked_lm_accuracy", "next_sentence_accuracy",
             "cloze_top1", "cloze_top5")  # fmt: skip
    order = sorted(rows, key=lambda row: (row["corpus"], row["minutes"], row["perplexity"]))
    print(text_table(shown, [[row.get(name) for name in shown] for row in order]))


if __name__ == "__main__":
    command_line.run(preset_by_budget)
