"""How much faster text is learned from packed rows, or in length buckets, than from padded ones: one thread each."""

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

import side_by_side

from keras_mlm import command_line


def packed_rows(
    *,
    data: str,
    json: str | None = None,
    preset: str = "mini",
    style: str = "modern",
    length: int = 128,
    length_buckets: int = 4,
    batch_size: int = 64,
    steps: int = 20,
    rounds: int = 5,
) -> None:
    """Train the same model on rows of one text each, all padded or in buckets, and on rows that several texts share.

    All sides read the same corpus and take whole training steps; compared is the text a second. Rounds alternate; the
    ratio is the median over rounds. Only tokens of the text count, neither special ones nor padding.

    Args:
        data: Folder that prepare_corpus wrote.
        json: File to write the rows to.
        preset: Size of the model.
        style: Its style; without next sentences.
        length: Tokens a row.
        length_buckets: How many lengths the steps of the second side have.
        batch_size: Rows a step.
        steps: Steps a round.
        rounds: How often each side runs.
    """
    side_by_side.one_thread()
    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.precision import compiles_step

    training = PretrainingConfig.from_style(
        style, length=length, batch_size=batch_size, next_sentence=False, packed=False, steps=1
    )
    sides: dict[str, Callable[[], Any]] = {}
    tokens: dict[str, float] = {}
    more: dict[str, dict[str, Any]] = {}
    layouts: dict[str, dict[str, Any]] = {
        "one text a row": {}, "length buckets": {"length_buckets": length_buckets}, "packed": {"packed": True},
    }  # fmt: skip
    for name, layout in layouts.items():
        rows = PretrainingDataset.from_config(data, dataclasses.replace(training, **layout))
        config = BertConfig.from_preset(
            preset, style=style, vocabulary_size=rows.manifest.vocabulary_size, next_sentence=False
        )
        model = BertPretrainer(config)
        model.compile(optimizer_from(training), jit_compile=compiles_step(training.precision))
        sides[name] = _steps(model, rows.batches(), steps)
        tokens[name] = steps * batch_size * rows.tokens / rows.rows
        more[name] = {
            "padding": round(1 - rows.tokens_a_row / rows.padded_length, 4),
            "parameters": model.count_params(),
        }
    seconds = side_by_side.alternate(sides, rounds)
    for name, times in seconds.items():
        more[name]["milliseconds_a_step"] = round(1000 * statistics.median(times) / steps, 1)
        print(f"{name}: {more[name]['padding']:.1%} padding, {more[name]['milliseconds_a_step']:.1f} ms a step")
    # The time for as much text as the first side reads in a round.
    reads = tokens["one text a row"]
    side_by_side.publish(
        {name: [time * reads / tokens[name] for time in times] for name, times in seconds.items()},
        shape=f"{preset} {style}, {batch_size} rows of {length}, {training.predictions} masks",
        tokens=round(reads),
        more=more,
        json_file=json,
    )


def _steps(model: Any, batches: Any, steps: int) -> Callable[[], Any]:
    """Return a function that takes some training steps on the batches that come next."""
    iterator = iter(batches)

    def take() -> float:
        for _ in range(steps):
            logs = step(iterator)
        return float(logs["loss"])

    model._maybe_symbolic_build()  # the optimizer
    model.make_train_function()
    step = model.train_function
    return take


if __name__ == "__main__":
    command_line.run(packed_rows)
