"""How a training step's time grows with length, rows, vocabulary, size and workers, cell by cell, and a picture."""

import statistics
from pathlib import Path
from typing import Any

import cost_of_distribution
import train_step
from campaign import kept_rows, row_of, run_cells, table_lines
from side_by_side import alternate_processes, in_a_process

from keras_mlm import command_line
from keras_mlm.config import PRESETS
from keras_mlm.data.manifest import Manifest
from keras_mlm.errors import InputError
from keras_mlm.text_table import text_table

# What the others are compared with, and what varies, one thing at a time.
BASE: dict[str, Any] = {"preset": "mini", "batch_size": 32, "length": 128, "vocabulary_size": 30522, "workers": 0}
AXES: dict[str, list[Any]] = {
    "length": [64, 128, 256, 512, 1024],
    "batch_size": [4, 8, 16, 32, 64, 128],
    "vocabulary_size": [8000, 16000, 30522, 64000],
    "preset": ["tiny", "mini", "small", "medium", "base"],
    "workers": [1, 2],
}
# Workers read a corpus, and have its vocabulary.
CORPUS_VOCABULARY = 8000
STYLE = "short_budget"
MASKED_PERCENT = 15


def scaling(
    *,
    data: str | None = None,
    results: str = "recipes/benchmarks/results/scaling.json",
    picture: str = "recipes/benchmarks/results/scaling.png",
    steps: int = 2,
    rounds: int = 5,
    only_picture: bool = False,
) -> None:
    """Measure a training step for every length, number of rows, vocabulary and preset, and draw tokens a second.

    One thing varies at a time from mini, 32 rows of 128 tokens and 30,522 words, on all cores; 15 % of the tokens are
    predicted. Of workers each has one core and 32 rows of a corpus with a vocabulary of 8,000. A cell that stands in
    the results file is not run again. Run it while the machine does nothing else.

    Args:
        data: Folder that prepare_corpus wrote, for the workers; without it they are left out.
        results: JSON file of finished cells; read, and written after every cell.
        picture: PNG file to draw.
        steps: Steps a round.
        rounds: Rounds of each cell, of which the median counts.
        only_picture: Whether to run nothing and draw what is there.
    """
    if data and (found := Manifest.load(data).vocabulary_size) != CORPUS_VOCABULARY:
        raise InputError(f"{data} has a vocabulary of {found:,} words: prepare it with {CORPUS_VOCABULARY:,}")
    cells = [_cell(axis, value) for axis, values in AXES.items() for value in values]
    cells = [cell for number, cell in enumerate(cells) if cell not in cells[:number]]

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        found = _step_of_workers(cell, str(data), rounds) if cell["workers"] else _step(cell, steps, rounds)
        rows = cell["batch_size"] * max(1, cell["workers"])
        return {**found, "tokens_per_second": round(1000 * rows * cell["length"] / found["milliseconds"])}

    if not only_picture:
        run_cells([cell for cell in cells if data or not cell["workers"]], results, run)
    figures = ["milliseconds", "tokens_per_second", "megabytes"]
    print(text_table([*BASE, *figures], table_lines(cells, results, figures)))
    draw(kept_rows(results), picture)


def _cell(axis: str, value: Any) -> dict[str, Any]:
    vocabulary = {"vocabulary_size": CORPUS_VOCABULARY} if axis == "workers" else {}
    return {**BASE, **vocabulary, axis: value}


def _step(cell: dict[str, Any], steps: int, rounds: int) -> dict[str, Any]:
    layers, hidden, heads = PRESETS[cell["preset"]]
    shape = {
        **{name: cell[name] for name in ("batch_size", "length", "vocabulary_size")},
        "predictions": -(-MASKED_PERCENT * cell["length"] // 100), "num_layers": layers, "hidden_dim": hidden,
        "num_heads": heads, "steps": steps,
    }  # fmt: skip
    side = f"keras_mlm {STYLE}"
    with in_a_process(train_step._side, side, shape) as take:
        answers, seconds = alternate_processes({side: take}, rounds)
    step = statistics.median(seconds[side]) / steps
    return {"milliseconds": round(1000 * step, 1), "megabytes": round(answers[side][1])}


def _step_of_workers(cell: dict[str, Any], data: str, rounds: int) -> dict[str, Any]:
    """Measure a worker that is alone, or two."""
    shared = ["--data", data, "--preset", cell["preset"], "--style", STYLE, "--length", str(cell["length"])]
    shared += ["--batch-size", str(2 * cell["batch_size"])]  # over both, of which one that is alone takes half
    role = "worker" if cell["workers"] > 1 else "half"
    processes = [["--role", role, "--core", str(core), *shared] for core in range(cell["workers"])]
    slowest = [max(found["step"] for found in cost_of_distribution.run_roles(processes)) for _ in range(rounds)]
    return {"milliseconds": round(1000 * statistics.median(slowest), 1)}


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Draw tokens a second along every axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for place in places.flat[len(AXES) :]:
        place.set_visible(False)
    for place, (axis, values) in zip(places.flat, AXES.items(), strict=False):
        found = [(value, row_of(_cell(axis, value), rows)) for value in values]
        points = [(str(value), row["tokens_per_second"]) for value, row in found if row]
        if points:
            place.plot(*zip(*points, strict=True), marker="o")
        place.set(title=axis.replace("_", " "), ylabel="tokens a second")
        if axis == "preset":
            place.set_yscale("log")
        else:
            place.set_ylim(0)
        place.yaxis.set_major_formatter("{x:,.0f}")
        place.grid(alpha=0.3)
    figure.suptitle(
        f"{STYLE}: one thing varies from mini, 32 × 128, vocabulary 30,522; workers: a core each, vocabulary 8,000"
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    command_line.run(scaling)
