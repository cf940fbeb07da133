"""Which rate and how many epochs a model is fine-tuned best with: a training a cell, judged by dev."""

import json
from pathlib import Path
from typing import Any, Literal

from campaign import cell_folder, run_cells, run_recipe, table_lines

from keras_mlm import command_line

KEPT = ("epochs", "dev")


def fine_tuning_rates(
    *,
    models: list[str],
    train: str,
    learning_rates: list[float],
    epochs: list[int] | None = None,
    task: Literal["texts", "tags"] = "texts",
    test_percent: int = 0,
    pair: str | None = None,
    results: str = "recipes/benchmarks/results/fine_tuning_rates.json",
    work: str = "saved_models/fine_tuning_rates",
    only_table: bool = False,
) -> None:
    """Fine-tune every model with every rate and number of epochs, and print the accuracy, or of spans the F1, on dev.

    Dev is a tenth of train, which also chooses the epoch; what judges a system elsewhere is not looked at, so that
    what `FineTuning` takes by default is not fitted to it. A cell that stands in the results file is not run again.

    Args:
        models: Model folders.
        train: Labelled examples, as recipes/finetune_classifier.py or finetune_tagger.py takes them.
        learning_rates: Highest rates.
        epochs: The most epochs, over which the rate falls to 0; by default as many as `FineTuning` takes.
        task: Whether texts, or pairs of them, have labels, or words have tags.
        test_percent: Leave so many percent of train out, where a set's test is that; for texts.
        pair: Column of the second text of a pair.
        results: JSON file of finished cells; read, and written after every cell.
        work: Folder for the models.
        only_table: Whether to run nothing and print what is there.
    """
    from keras_mlm.text_table import text_table

    recipe = {"texts": "finetune_classifier", "tags": "finetune_tagger"}[task]
    reading = {"pair": pair, "test_percent": test_percent or None} if task == "texts" else {}
    cells = [
        {"set": Path(train).parent.name, "model": model, "learning_rate": rate, "most": most}
        for model in models for most in epochs or [None] for rate in learning_rates
    ]  # fmt: skip

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        output = cell_folder(work, {**cell, "model": Path(cell["model"]).name})
        run_recipe(recipe, train=train, model=cell["model"], learning_rate=cell["learning_rate"], epochs=cell["most"],
                   output=output, **reading)  # fmt: skip
        metrics = json.loads(Path(output, "metrics.json").read_text())
        best = next(metrics[name] for name in ("dev_f1", "dev_accuracy") if name in metrics)
        return {"epochs": metrics["epochs"], "dev": best}

    if not only_table:
        run_cells(cells, results, run)
    print(text_table([*cells[0], *KEPT], table_lines(cells, results, list(KEPT))))


if __name__ == "__main__":
    command_line.run(fine_tuning_rates)
