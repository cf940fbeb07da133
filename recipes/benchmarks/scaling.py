"""How the time of a training step grows with length, rows, vocabulary and size; cell by cell, and a picture of it."""

import statistics
from pathlib import Path
from typing import Any

import train_step
from campaign import kept_rows, row_of, run_cells, table_lines
from side_by_side import alternate_processes, in_a_process

from keras_mlm import command_line
from keras_mlm.config import PRESETS
from keras_mlm.text_table import text_table

# What the others are compared with, and what varies, one thing at a time.
BASE: dict[str, Any] = {"preset": "mini", "batch_size": 32, "length": 128, "vocabulary_size": 30522}
AXES: dict[str, list[Any]] = {
    "length": [64, 128, 256, 512, 1024],
    "batch_size": [4, 8, 16, 32, 64, 128],
    "vocabulary_size": [8000, 16000, 30522, 64000],
    "preset": ["tiny", "mini", "small", "medium", "base"],
}
MASKED_PERCENT = 15


def scaling(
    *,
    side: str = "keras_mlm short_budget",
    results: str = "recipes/benchmarks/results/scaling.json",
    picture: str = "recipes/benchmarks/results/scaling.png",
    steps: int = 2,
    rounds: int = 5,
    only_picture: bool = False,
) -> None:
    """Measure a training step for every length, number of rows, vocabulary and preset, and draw tokens a second.

    One thing varies at a time from mini, 32 rows of 128 tokens and 30,522 words; 15 % of the tokens are predicted. A
    cell that stands in the results file is not run again. Run it while the machine does nothing else.

    Args:
        side: What is measured, a name in train_step.py.
        results: JSON file of finished cells; read, and written after every cell.
        picture: PNG file to draw.
        steps: Steps a round.
        rounds: Rounds of each cell, of which the median counts.
        only_picture: Whether to run nothing and draw what is there.
    """
    cells = [{"side": side, **BASE, axis: value} for axis, values in AXES.items() for value in values]
    cells = [cell for number, cell in enumerate(cells) if cell not in cells[:number]]

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        layers, hidden, heads = PRESETS[cell["preset"]]
        shape = {
            **{name: cell[name] for name in ("batch_size", "length", "vocabulary_size")},
            "predictions": -(-MASKED_PERCENT * cell["length"] // 100), "num_layers": layers, "hidden_dim": hidden,
            "num_heads": heads, "steps": steps,
        }  # fmt: skip
        with in_a_process(train_step._side, side, shape) as take:
            answers, seconds = alternate_processes({side: take}, rounds)
        step = statistics.median(seconds[side]) / steps
        speed = round(cell["batch_size"] * cell["length"] / step)
        return {"milliseconds": round(1000 * step, 1), "megabytes": round(answers[side][1]), "tokens_per_second": speed}

    if not only_picture:
        run_cells(cells, results, run)
    figures = ["milliseconds", "tokens_per_second", "megabytes"]
    print(text_table([*cells[0], *figures], table_lines(cells, results, figures)))
    draw(side, kept_rows(results), picture)


def draw(side: str, rows: list[dict[str, Any]], path: str) -> None:
    """Draw tokens a second along every axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, len(AXES), figsize=(4 * len(AXES), 3.4), layout="constrained")
    for place, (axis, values) in zip(places, AXES.items(), strict=True):
        found = [(value, row_of({"side": side, **BASE, axis: value}, rows)) for value in values]
        points = [(str(value), row["tokens_per_second"]) for value, row in found if row]
        if points:
            place.plot(*zip(*points, strict=True), marker="o")
        place.set(title=axis.replace("_", " "), ylabel="tokens a second")
        place.set_yscale("log")
        place.grid(alpha=0.3, which="both")
    figure.suptitle(f"{side}: one thing varies from mini, 32 × 128, vocabulary 30,522")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    command_line.run(scaling)
