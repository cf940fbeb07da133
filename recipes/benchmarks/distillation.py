"""What a teacher is worth: a student that learns from it, beside the same student alone, in the same minutes."""

import json
from pathlib import Path
from typing import Any

from campaign import cell_folder, rows_of, run_cells, run_recipe

from keras_mlm import command_line

KEPT = ("perplexity", "masked_lm_loss", "masked_lm_accuracy", "teacher_perplexity", "steps", "seconds",
        "tokens_per_second", "parameters", "teacher_parameters")  # fmt: skip


def distillation(
    *,
    teacher: str,
    data: str,
    results: str,
    student: str = "half",
    minutes: float = 10.0,
    length: int = 64,
    batch_size: int = 64,
    learning_rates: list[float] | None = None,
    seeds: list[int] | None = None,
    work: str = "saved_models/distillation",
) -> None:
    """Train the same student for the same minutes in each way, at each rate, and print the held-out perplexities.

    The ways: alone, from random weights and the masked words; copied, the same from the teacher's own layers, which a
    student of the teacher's width has; and distilled, as recipes/distill.py does. The rows and masks are the same, in
    training as on held-out text. A cell that stands in the results file is not run again, and a run that was stopped
    is continued, so the command can be said again. Run it while the machine does nothing else.

    Args:
        teacher: Model folder.
        data: Folder that prepare_corpus wrote with the teacher's vocabulary.
        results: JSON file of finished cells; read, and written after every cell.
        student: Size of the student, as distill.py takes it.
        minutes: Length of each training.
        length: Tokens a row.
        batch_size: Rows a step.
        learning_rates: Highest rates; by default 2e-3 only.
        seeds: By default 0 only; the first seed of all cells comes before the second.
        work: Folder for the models.
    """
    from keras_mlm.config import BertConfig
    from keras_mlm.model_folder import read_model_config
    from keras_mlm.models.student import starting_blocks, student_config, style_of

    large = BertConfig.from_dict(read_model_config(teacher)["model"])
    small = student_config(large, student)
    ways = ["alone", *(["copied"] if starting_blocks(small, large) else []), "distilled"]
    cells = [
        {"teacher": Path(teacher).name, "student": student, "way": way, "length": length, "batch_size": batch_size,
         "learning_rate": rate, "minutes": minutes, "seed": seed}
        for seed in seeds or [0]
        for rate in learning_rates or [2e-3]
        for way in ways
    ]  # fmt: skip

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        output = cell_folder(work, cell)
        options = {name: cell[name] for name in ("length", "batch_size", "learning_rate", "minutes", "seed")}
        if cell["way"] == "distilled":
            run_recipe("distill", teacher=teacher, student=student, data=data, output=output, **options)
        else:
            start = _start(teacher, student, f"{output}-start", cell["seed"], copied=cell["way"] == "copied")
            run_recipe(
                "pretrain", init=start, style=style_of(large), data=data, output=output, next_sentence="false",
                **options,
            )  # fmt: skip
        metrics = json.loads(Path(output, "metrics.json").read_text())
        return {name: metrics[name] for name in KEPT if name in metrics}

    run_cells(cells, results, run, minutes=minutes + 0.5)
    _print_table([row for row in rows_of(cells, results) if row])


def _start(teacher: str, student: str, folder: str, seed: int, *, copied: bool) -> str:
    """Write the model that a student alone starts from, unless it is there, and return its folder."""
    import keras

    from keras_mlm.model_folder import load_pretrainer, save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.models.student import start_from_teacher, student_config

    if not Path(folder, "config.json").exists():
        large = load_pretrainer(teacher)
        keras.utils.set_random_seed(seed)
        small = BertPretrainer(student_config(large.config, student), tokenizer=large.tokenizer)
        if copied:
            start_from_teacher(small, large)
        save_model(small, folder)
    return folder


def _print_table(rows: list[dict[str, Any]]) -> None:
    from keras_mlm.text_table import text_table

    shown = ("teacher", "student", "way", "learning_rate", "minutes", "seed", "steps", "perplexity",
             "masked_lm_accuracy", "teacher_perplexity", "parameters", "teacher_parameters")  # fmt: skip
    order = sorted(rows, key=lambda row: (row["seed"], row["perplexity"]))
    print(text_table(shown, [[row.get(name) for name in shown] for row in order]))


if __name__ == "__main__":
    command_line.run(distillation)
