"""Does the device wait for its batches? At this machine's speed, and on one that takes its steps ten times faster."""

import json as json_module
import statistics
import time
from pathlib import Path
from typing import Any

from keras_mlm import command_line


def input_pipeline(
    *,
    data: str,
    json: str | None = None,
    preset: str = "mini",
    style: str = "classic",
    length: int = 128,
    batch_size: int = 32,
    masking: str = "whole_word",
    steps: int = 150,
    times_faster: float = 10.0,
) -> None:
    """Measure how long a training step waits for its batch: here, and on a device that leaves the processor alone.

    The first row is this machine, whose cores both train and prepare batches: steps on rows that are there already
    against steps on rows as pretrain.py reads them. The second is a device apart, a pause of as long as a step takes
    divided by TIMES_FASTER, while the cores prepare the next batch; what a batch is late by is what the device waits.

    Args:
        data: Folder that prepare_corpus wrote.
        json: File to write the rows to.
        preset: Size of the model.
        style: Style of the model and of its rows.
        length: Tokens a row.
        batch_size: Rows a step.
        masking: What is masked together: token, whole_word or span.
        steps: Steps of each measurement.
        times_faster: How much faster than this machine the device apart is.
    """
    import keras
    import numpy as np

    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.text_table import text_table
    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.precision import compiles_step, fastest_precision

    training: Any = PretrainingConfig.from_style(
        style, length=length, batch_size=batch_size, masking=masking, steps=steps
    )
    rows = PretrainingDataset.from_config(data, training)
    precision = fastest_precision()
    keras.config.set_dtype_policy(precision)
    config = BertConfig.from_preset(
        preset, style=style, vocabulary_size=rows.manifest.vocabulary_size, next_sentence=training.next_sentence
    )
    model = BertPretrainer(config)
    model.compile(optimizer_from(training), jit_compile=compiles_step(precision))
    dataset = rows.batches()
    one = dataset.take(1).cache().repeat()
    seconds = {name: _fit(model, some, steps) for name, some in (("rows there", one), ("rows read", dataset))}
    step = statistics.median(seconds["rows there"])
    read = statistics.median(seconds["rows read"])
    pause = step / times_faster
    late = float(np.mean(_waits(dataset, pause, steps)))
    table = [
        {"device": name, "milliseconds_a_step": 1000 * (taken + wait), "waits_milliseconds": 1000 * wait,
         "share_of_a_step": round(wait / (taken + wait), 3)}
        for name, taken, wait in (("this machine", step, read - step), (f"{times_faster:g} times faster", pause, late))
    ]  # fmt: skip
    print(f"{preset}, {style}, {batch_size} x {length}, {masking}, {precision}; {steps} steps each")
    print(text_table(list(table[0]), [list(row.values()) for row in table]))
    if json:
        shape = {"preset": preset, "style": style, "batch_size": batch_size, "length": length, "masking": masking}
        Path(json).write_text(json_module.dumps({"shape": shape, "rows": table}, indent=1) + "\n")


def _fit(model: Any, dataset: Any, steps: int) -> list[float]:
    """Return the seconds of each step of a fit, the first ones, in which it is traced and buffers fill, left out."""
    import keras

    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    model.fit(dataset, steps_per_epoch=steps, verbose=0, callbacks=[clock])
    begin = steps // 5
    return [after - before for before, after in zip(ends[begin:], ends[begin + 1 :], strict=False)]


def _waits(dataset: Any, pause: float, steps: int) -> list[float]:
    """Return the seconds that each batch came late for a device that takes one every `pause` seconds."""
    waits = []
    batches = iter(dataset)
    for number in range(steps + steps // 5):
        begun = time.perf_counter()
        next(batches)
        if number >= steps // 5:
            waits.append(time.perf_counter() - begun)
        time.sleep(pause)
    return waits


if __name__ == "__main__":
    command_line.run(input_pipeline)
