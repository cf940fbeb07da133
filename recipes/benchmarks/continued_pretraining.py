"""What going on from public weights is worth: the same architecture, text, vocabulary and minutes, from random ones."""

import json
from pathlib import Path
from typing import Any

from campaign import cell_folder, rows_of, run_cells, run_recipe

from keras_mlm import command_line

FILLS = (
    "Police said the man was [MASK] in the attack .",
    "The president of the United [MASK] spoke to reporters on Monday .",
    "The team won the final match by two [MASK] .",
)
KEPT = ("perplexity", "masked_lm_loss", "masked_lm_accuracy", "steps", "seconds", "tokens_per_second", "parameters")


def continued_pretraining(
    *,
    init: str,
    text: list[str],
    results: str,
    minutes: float = 20.0,
    length: int = 64,
    batch_size: int = 32,
    continued_rate: float = 2e-4,
    random_rate: float = 1e-3,
    seed: int = 0,
    work: str = "saved_models/continued_pretraining",
) -> None:
    """Train from a model's weights and from random ones for the same minutes, and print both perplexities and fills.

    A cell that stands in the results file is not run again, and a run that was stopped is continued, so the command can
    be said again. Run it while the machine does nothing else. The objective is the masked words alone.

    Args:
        init: Model to go on from: a model folder, hf:FOLDER, google:FOLDER or keras_hub:FOLDER.
        text: Files and folders of text.
        results: JSON file of finished cells; read, and written after every cell.
        minutes: Length of each training.
        length: Tokens a row.
        batch_size: Rows a step.
        continued_rate: Highest rate from the model's weights; more than the 5e-5 of a long run, because the minutes are
            few and the masked-LM head of an encoder is new.
        random_rate: Highest rate from random weights, which bear and need more.
        seed: Of everything random.
        work: Folder for the data and the models.
    """
    data, random_model = f"{work}/data", f"{work}/random-{seed}"
    run_recipe("prepare_corpus", init=init, text=text, output=data)
    cells = [
        {"start": start, "learning_rate": rate, "minutes": minutes, "length": length, "batch_size": batch_size,
         "seed": seed}
        for start, rate in (("continued", continued_rate), ("random", random_rate))
    ]  # fmt: skip

    def run(cell: dict[str, Any]) -> dict[str, Any]:
        random = cell["start"] == "random"
        if random and not Path(random_model, "config.json").exists():
            _random_twin(init, data, random_model, seed)
        output = cell_folder(work, cell)
        settings = {name: value for name, value in cell.items() if name != "start"}
        start = random_model if random else init
        run_recipe("pretrain", init=start, data=data, output=output, next_sentence="false", **settings)
        return _figures(output)

    run_cells(cells, results, run, minutes=minutes + 1)
    _print_tables([row for row in rows_of(cells, results) if row])


def _random_twin(init: str, data: str, folder: str, seed: int) -> None:
    """Write a model of the same architecture and vocabulary with random weights."""
    import keras

    from keras_mlm.interop.continued_pretraining import continued_model
    from keras_mlm.model_folder import save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    tokenizer = WordPieceTokenizer.load(data)
    config = continued_model(init, tokenizer, data, next_sentence=False).config
    keras.utils.set_random_seed(seed)
    save_model(BertPretrainer(config, tokenizer=tokenizer), folder)


def _figures(output: str) -> dict[str, Any]:
    from keras_mlm.model_folder import load_model

    metrics = json.loads(Path(output, "metrics.json").read_text())
    filled = load_model(output).fill_mask(list(FILLS), top_k=3)
    fills = {
        text: [f"{candidate.token} {candidate.score:.2f}" for candidate in masks[0]]
        for text, masks in zip(FILLS, filled, strict=True)
    }
    return {**{name: metrics[name] for name in KEPT}, "fills": fills}


def _print_tables(rows: list[dict[str, Any]]) -> None:
    from keras_mlm.text_table import text_table

    shown = ("start", "learning_rate", "minutes", "steps", "perplexity", "masked_lm_accuracy", "tokens_per_second")
    print(text_table(shown, [[row[name] for name in shown] for row in rows]))
    for row in rows:
        for text, fills in row["fills"].items():
            print(f"{row['start']:10} {text}  {', '.join(fills)}")


if __name__ == "__main__":
    command_line.run(continued_pretraining)
