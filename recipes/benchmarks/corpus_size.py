"""What a token costs by how large its corpus is: preparing it, and reading it as masked batches; and a picture."""

import json
import statistics
from pathlib import Path
from typing import Any

import side_by_side
from campaign import kept_rows, run_cells, run_recipe, table_lines

from keras_mlm import command_line
from keras_mlm.text_table import text_table

FIGURES = {"prepared": "preparing", "batches": "records to masked batches"}


def corpus_size(
    *,
    text: list[str],
    megabytes: list[int] | None = None,
    results: str = "recipes/benchmarks/results/corpus_size.json",
    picture: str = "recipes/benchmarks/results/corpus_size.png",
    work: str = "data/corpus_size",
    batches: int = 1000,
    rounds: int = 5,
) -> None:
    """Prepare the first megabytes of a text and read them as masked batches; print and draw nanoseconds a token.

    Both run on one core, the vocabulary of 8,000 tokens is learned from each part anew. A cell that stands in the
    results file is not run again. Run it while the machine does nothing else.

    Args:
        text: Files and folders of text.
        megabytes: How much of it; by default 4, 16 and 64.
        results: JSON file of finished cells; read, and written after every cell.
        picture: PNG file to draw.
        work: Folder for the parts and what is prepared of them.
        batches: Batches of 64 x 128 that are read a round.
        rounds: How often they are read, of which the median counts.
    """
    cells = [{"megabytes": size} for size in megabytes or [4, 16, 64]]
    run_cells(cells, results, lambda cell: _measured(cell["megabytes"], text, work, batches, rounds))
    figures = ["tokens", *(f"{name}_nanoseconds" for name in FIGURES)]
    print(text_table(["megabytes", *figures], table_lines(cells, results, figures)))
    draw(kept_rows(results), picture)


def _measured(megabytes: int, text: list[str], work: str, batches: int, rounds: int) -> dict[str, Any]:
    part, data = Path(work, f"{megabytes}.txt"), f"{work}/{megabytes}"
    part.parent.mkdir(parents=True, exist_ok=True)
    _write_part(part, text, megabytes * 1_000_000)
    run_recipe("prepare_corpus", text=str(part), output=data, vocabulary_size=8000, workers=1)
    metrics = json.loads(Path(data, "metrics.json").read_text())
    tokens = metrics["training_tokens"] + metrics["validation_tokens"]
    with side_by_side.in_a_process(_reader, data, batches) as read:
        answers, seconds = side_by_side.alternate_processes({data: read}, rounds)
    return {
        "tokens": tokens,
        "prepared_nanoseconds": round(1e9 * metrics["seconds"] / tokens),
        "batches_nanoseconds": round(1e9 * statistics.median(seconds[data]) / answers[data], 1),
    }


def _write_part(path: Path, text: list[str], size: int) -> None:
    from keras_mlm.errors import InputError

    with path.open("w", encoding="utf-8") as file:
        for document in side_by_side.documents(text):
            size -= file.write("\n".join(document.lines) + "\n\n")
            if size <= 0:
                return
    raise InputError(f"the text ends {size:,} characters too soon: pass fewer --megabytes")


def _reader(data: str, batches: int) -> Any:
    """Return a function that reads batches and returns how many tokens they hold, one thread."""
    side_by_side.one_thread()
    from keras_mlm.data.pretraining_dataset import PretrainingDataset

    rows = PretrainingDataset(data, length=128, batch_size=64, masking="whole_word", next_sentence=False, packed=True)
    read = side_by_side.whole_pass(rows.batches().take(batches))

    def once() -> float:
        read()
        return batches * 64 * rows.tokens_a_row

    return once


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Draw what a token costs over the size of the corpus."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, place = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    rows = sorted(rows, key=lambda row: row["megabytes"])
    for name, label in FIGURES.items():
        place.plot([row["megabytes"] for row in rows], [row[f"{name}_nanoseconds"] for row in rows], marker="o",
                   label=label)  # fmt: skip
    place.set(xscale="log", xlabel="megabytes of text", ylabel="nanoseconds a token, one core", ylim=(0, None))
    place.set_xticks([row["megabytes"] for row in rows], [str(row["megabytes"]) for row in rows])
    place.set_xticks([], minor=True)
    place.yaxis.set_major_formatter("{x:,.0f}")
    place.grid(alpha=0.3)
    place.legend(frameon=False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    command_line.run(corpus_size)
