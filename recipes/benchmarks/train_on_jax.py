"""Pre-training under Keras' JAX backend, in a process without TensorFlow, into a model folder for TensorFlow."""

import functools
import io
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from campaign import run_recipe

from keras_mlm import command_line

REPORTED_STEPS = 200  # between two lines of progress
PARTS = {"rows": "tensorflow", "train": "jax", "model": "tensorflow"}  # and the backend of each
CHECKED_ROWS = 4
MASKED = "masked_ids"  # what stood at the masked places
# Numbers of two bytes, and a dictionary in which the rows of some epochs have room.
COMPRESSION = {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 28, "lc": 3, "lp": 1, "pb": 1}
TOLERANCE = 1e-4


def train_on_jax(
    *,
    part: Literal["all", "rows", "train", "model"] = "all",
    work: str = "saved_models/on_jax_work",
    data: str = "data/wikinews",
    output: str = "saved_models/on_jax",
    preset: str = "mini",
    style: str = "modern",
    steps: int = 2000,
    length: int = 128,
    batch_size: int = 256,
    learning_rate: float | None = None,
    masked_epochs: int = 4,
    precision: Literal["mixed_bfloat16", "float32"] = "mixed_bfloat16",
) -> None:
    """Train a model on JAX and hand it to TensorFlow, in three parts, each in a process of its own.

    *rows* masks rows with TensorFlow and writes them down; *train* reads them and trains, where TensorFlow need not be
    installed, on a machine with a GPU, say; *model* loads the weights in TensorFlow, checks that they answer there as
    they did on JAX, writes a model folder and evaluates it. To go to another machine and back, copy the work folder
    between the parts; the second needs keras, jax, h5py and cyclopts.

    Args:
        part: What to do; by default all three on this machine.
        work: Folder for what one part leaves to the next.
        data: Folder that prepare_corpus wrote.
        output: Model folder to write.
        preset: Size of the model.
        style: Of the model and its training, as in pretrain.
        steps: Optimizer steps.
        length: Tokens a row.
        batch_size: Rows a step.
        learning_rate: The highest rate; by default the style's.
        masked_epochs: Epochs that are masked each in its own way; after the last the first comes again.
        precision: mixed_bfloat16 or float32 products.
    """
    if part == "rows":
        rate = {} if learning_rate is None else {"learning_rate": learning_rate}
        settings = {"steps": steps, "length": length, "batch_size": batch_size, "precision": precision, **rate}
        write_rows(work, data, preset, style, masked_epochs, settings)
    elif part == "train":
        train(work)
    elif part == "model":
        write_model(work, output)
        run_recipe("evaluate", model=output, data=data, length=length)
    else:
        for name, backend in PARTS.items():
            environment = {**os.environ, "KERAS_BACKEND": backend}
            if code := subprocess.run([sys.executable, *sys.argv, "--part", name], env=environment).returncode:
                sys.exit(code)


def write_rows(work: str, data: str, preset: str, style: str, epochs: int, settings: dict[str, Any]) -> None:
    """Write masked rows, the vocabulary, and what is to be trained."""
    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.errors import InputError
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    tokenizer = WordPieceTokenizer.load(data)
    size = tokenizer.vocabulary_size
    if size > 1 << 16:
        raise InputError(f"{data} has a vocabulary of {size:,} tokens; ids are written down in 16 bits, up to 65,536")
    training = PretrainingConfig.from_style(style, **settings)
    rows = PretrainingDataset.from_config(data, training)
    count = min(settings["steps"], epochs * rows.rows // training.batch_size)
    if not count:
        raise InputError(f"{data} has {rows.rows} rows, fewer than a batch of {training.batch_size}: give more text")
    print(f"masking {count:,} batches of {training.batch_size} rows", flush=True)
    Path(work).mkdir(parents=True, exist_ok=True)
    tokenizer.save(work)
    write_batches(f"{work}/rows.npz.xz", rows.batches().take(count))
    write_job(work, BertConfig.from_preset(preset, style=style, vocabulary_size=size), training, rows.tokens_a_row)


def write_job(work: str, model: Any, training: Any, tokens_a_row: float) -> None:
    """Write the two configs of a run, and how many tokens its rows have on average."""
    job = {"model": model.to_dict(), "pretraining": training.to_dict(), "tokens_a_row": tokens_a_row}
    Path(work, "job.json").write_text(json.dumps(job, indent=1) + "\n")


def read_job(work: str) -> tuple[Any, Any, float]:
    """Return what `write_job` wrote."""
    from keras_mlm.config import BertConfig, PretrainingConfig

    job = json.loads(Path(work, "job.json").read_text())
    return BertConfig.from_dict(job["model"]), PretrainingConfig.from_dict(job["pretraining"]), job["tokens_a_row"]


def train(work: str) -> None:
    """Train on the rows; write the weights, and what the model answers to some of them."""
    without_tensorflow()
    import jax

    config, training, tokens_a_row = read_job(work)
    model = compiled_model(config, training)
    batches = read_batches(f"{work}/rows.npz.xz")
    device = jax.devices()[0].device_kind
    print(f"{model.count_params():,} parameters, {len(batches):,} batches, on {device}", flush=True)
    seconds = []
    for done, each, logs in fitted(model, batches, training.steps or 0):
        seconds.append(each)
        rate = training.batch_size * tokens_a_row / each
        left = ((training.steps or 0) - done) * each
        print(
            f"step {done:,} of {training.steps:,}  loss {logs['loss']:.3f}  "
            f"accuracy {logs['masked_lm_accuracy']:.1%}  {rate:,.0f} tokens/s  {left:.0f} s left", flush=True,
        )  # fmt: skip
    hand_over(model, batches[0][0], work)
    metrics = {"device": device, "steps": training.steps, "milliseconds": round(1000 * min(seconds), 2)}
    Path(work, "trained.json").write_text(json.dumps(metrics, indent=1) + "\n")


def without_tensorflow() -> None:
    """See to it that TensorFlow, where it is installed, is not imported."""
    sys.modules["tensorflow"] = None  # type: ignore[assignment]


def compiled_model(config: Any, training: Any) -> Any:
    """Return a new model as a run begins with it."""
    import keras

    from keras_mlm.models.bert_pretrainer import BertPretrainer

    keras.utils.set_random_seed(training.seed)
    keras.config.set_dtype_policy(training.precision)
    model = BertPretrainer(config)
    model.compile(optimizer_with_rates(training), jit_compile=True)
    return model


def fitted(model: Any, batches: list[Any], steps: int) -> Iterator[tuple[int, float, dict[str, float]]]:
    """Train, and give from time to time the steps that are done, the seconds of one, and the last logs."""
    import jax

    endless = (batch for _ in range(steps) for batch in batches)
    for begun in range(0, steps, REPORTED_STEPS):
        since, some = time.perf_counter(), min(REPORTED_STEPS, steps - begun)
        logs = model.fit(endless, steps_per_epoch=some, shuffle=False, verbose=0).history
        jax.block_until_ready([variable.value for variable in model.trainable_variables])
        yield begun + some, (time.perf_counter() - since) / some, {name: values[-1] for name, values in logs.items()}


def hand_over(model: Any, inputs: dict[str, Any], work: str) -> None:
    """Write the weights of a model, and what it answers to the first of some rows."""
    import jax
    import keras
    import numpy as np

    from keras_mlm.models.bert_pretrainer import BertPretrainer

    keras.config.set_dtype_policy("float32")
    plain = BertPretrainer(model.config)
    plain.set_weights(model.get_weights())
    inputs = {name: array[:CHECKED_ROWS] for name, array in inputs.items()}
    with jax.default_matmul_precision("highest"):
        answers = plain(inputs)
    plain.save_weights(f"{work}/model.weights.h5")
    np.savez_compressed(
        f"{work}/answers.npz", **{f"x/{name}": array for name, array in inputs.items()},
        **{name: np.asarray(answer, "float32") for name, answer in answers.items()},
    )  # fmt: skip


def optimizer_with_rates(training: Any) -> Any:
    """Return the optimizer of a run with the rates of all its steps, a table on the device.

    A rate that is set from outside, as `TrainingBudget` does, would wait for the end of every step.
    """
    import keras
    from keras import ops

    from keras_mlm.training.optimizers import optimizer_from
    from keras_mlm.training.schedules import rate_factor

    places = ((step + 0.5) / training.steps for step in range(training.steps))
    rates = [training.learning_rate * rate_factor(training.schedule, place, training.warmup) for place in places]

    class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            return ops.take(ops.convert_to_tensor(rates, "float32"), step)

    optimizer = optimizer_from(training)
    optimizer.learning_rate = Rates()
    return optimizer


def write_batches(path: str, batches: Any) -> None:
    """Write what `fit` takes, batches of equal shapes.

    Rows are written without their masks, which stand beside: what an epoch masks anew is then only those, as the rest
    was there before, and a file of several epochs is little larger than that of one.
    """
    import numpy as np

    lists: dict[str, list[Any]] = {}
    for batch in batches.as_numpy_iterator():
        for kind, entries in zip(("x", "y", "weights"), batch, strict=True):
            for name, array in entries.items():
                # Ids, places, and weights that are 0 or 1.
                lists.setdefault(f"{kind}/{name}", []).append(array.astype("uint16"))
    arrays = {name: np.stack(some) for name, some in lists.items()}
    tokens, positions = arrays["x/token_ids"], arrays["x/mask_positions"].astype("int64")
    arrays[MASKED] = np.take_along_axis(tokens, positions, -1)
    labels = np.where(arrays["weights/masked_lm"] > 0, arrays.pop("y/masked_lm"), arrays[MASKED])
    np.put_along_axis(tokens, positions, labels, -1)
    with lzma.open(path, "wb", filters=[COMPRESSION]) as file:
        np.savez(file, **arrays)


@functools.cache  # a process of a campaign trains more than one model on them
def read_batches(path: str) -> list[tuple[dict[str, Any], ...]]:
    """Return what `write_batches` wrote."""
    import numpy as np

    types = {"x/padding_mask": "bool"}
    with lzma.open(path) as file, np.load(io.BytesIO(file.read())) as rows:
        arrays = {name: rows[name] for name in rows.files}
    tokens, positions = arrays["x/token_ids"], arrays["x/mask_positions"].astype("int64")
    labels = np.take_along_axis(tokens, positions, -1)
    arrays["y/masked_lm"] = np.where(arrays["weights/masked_lm"] > 0, labels, 0)
    np.put_along_axis(tokens, positions, arrays.pop(MASKED), -1)
    count = len(tokens)

    def part(kind: str, batch: int, default: str) -> dict[str, Any]:
        names = [name for name in arrays if name.startswith(f"{kind}/")]
        return {name.partition("/")[2]: arrays[name][batch].astype(types.get(name, default)) for name in names}

    return [(part("x", batch, "int32"), part("y", batch, "int32"), part("weights", batch, "float32"))
            for batch in range(count)]  # fmt: skip


def write_held_out(work: str, data: str) -> None:
    """Write the rows that are held out, masked as for every evaluation."""
    from keras_mlm.data.pretraining_dataset import PretrainingDataset

    write_batches(
        f"{work}/held_out.npz.xz", PretrainingDataset.from_config(data, read_job(work)[1], "validation").batches()
    )


def learned_figures(model: Any, work: str, steps: int) -> dict[str, Any]:
    """Train a model on the rows of a folder, and return what it then makes of those that are held out.

    Returns:
        Dict of the loss of masked tokens, the share of them that is guessed right, the seconds that training took and
        the device.
    """
    import jax

    batches, held_out = (read_batches(f"{work}/{name}.npz.xz") for name in ("rows", "held_out"))
    begun = time.perf_counter()
    for _ in fitted(model, batches, steps):
        pass
    taken = time.perf_counter() - begun
    logs = model.evaluate((batch for batch in held_out), steps=len(held_out), verbose=0, return_dict=True)
    return {
        "loss": round(logs["masked_lm_loss"], 4),
        "accuracy": round(logs["masked_lm_accuracy"], 4),
        "seconds": round(taken, 1),
        "device": jax.devices()[0].device_kind,
    }


def write_model(work: str, output: str) -> None:
    """Load the weights in TensorFlow, compare answers, and write the model folder."""
    import numpy as np

    from keras_mlm.errors import RunError
    from keras_mlm.model_folder import save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    model = BertPretrainer(read_job(work)[0], WordPieceTokenizer.load(work))
    model.load_weights(f"{work}/model.weights.h5")
    with np.load(f"{work}/answers.npz") as arrays:
        there = {name: arrays[name] for name in arrays.files}
    answers = model({name[2:]: there[name] for name in there if name.startswith("x/")})
    apart = max(float(np.abs(there[name] - answer).max()) for name, answer in answers.items())
    print(f"answers on TensorFlow and on JAX are at most {apart:.1e} apart")
    if apart > TOLERANCE:
        raise RunError(f"that is more than {TOLERANCE}: the model is not written")
    save_model(model, output, metrics=json.loads(Path(work, "trained.json").read_text()))


def backend_asked() -> str:
    """Return the backend of the part that the command line asks for, before it is parsed."""
    on_jax = "--part=train" in " ".join(sys.argv).replace("--part ", "--part=")
    return PARTS["train" if on_jax else "model"]


if __name__ == "__main__":
    command_line.run(train_on_jax, backend=backend_asked())
