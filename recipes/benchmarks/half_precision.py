"""Whether bfloat16 learns what float32 does: the same rows, masks and first weights, as many steps, held-out loss."""

import json
import math
from pathlib import Path
from typing import Any

from campaign import cell_folder, rows_of, run_cells, run_recipe

from keras_mlm import command_line

PRECISIONS = ("mixed_bfloat16", "float32")
KEPT = ("perplexity", "masked_lm_accuracy", "steps", "seconds", "parameters")


def half_precision(
    *,
    data: str,
    results: str = "recipes/benchmarks/results/half_precision.json",
    preset: str = "mini",
    style: str = "short_budget",
    steps: int = 2000,
    length: int = 64,
    batch_size: int = 32,
    seeds: list[int] | None = None,
    work: str = "saved_models/half_precision",
    only_table: bool = False,
) -> None:
    """Pre-train in both precisions with the same seed and print how far apart the held-out losses are.

    A cell that stands in the results file is not run again, and a run that was stopped is continued. The number of
    steps is given and not the time, so other work on the machine changes nothing but the seconds.

    Args:
        data: Folder that prepare_corpus wrote.
        results: JSON file of finished cells; read, and written after every cell.
        preset: Size of the models.
        style: Of the models.
        steps: Optimizer steps.
        length: Tokens a row.
        batch_size: Rows a step.
        seeds: By default 0 only.
        work: Folder for the models.
        only_table: Whether to run nothing and print what is there.
    """
    from keras_mlm.text_table import text_table

    settings = {"preset": preset, "style": style, "steps": steps, "length": length, "batch_size": batch_size}
    cells = {
        seed: [{**settings, "seed": seed, "precision": precision} for precision in PRECISIONS] for seed in seeds or [0]
    }

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        model = cell_folder(work, cell)
        run_recipe("pretrain", data=data, output=model, **cell)
        run_recipe("evaluate", model=model, data=data, length=length)
        metrics = json.loads(Path(model, "metrics.json").read_text())
        return {name: metrics[name] for name in KEPT}

    if not only_table:
        run_cells([cell for pair in cells.values() for cell in pair], results, run)
    lines = []
    for seed, pair in cells.items():
        half, single = (None if row is None else math.log(row["perplexity"]) for row in rows_of(pair, results))
        apart = None if half is None or single is None else f"{100 * (half / single - 1):+.2f} %"
        lines.append([seed, *("not run" if loss is None else loss for loss in (half, single)), apart])
    print(text_table(["seed", *PRECISIONS, "apart"], lines))


if __name__ == "__main__":
    command_line.run(half_precision)
