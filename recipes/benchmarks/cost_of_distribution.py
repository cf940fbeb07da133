"""What it costs to spread a batch: two workers with one core each beside one process with two cores."""

import json
import os
import socket
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from keras_mlm import command_line


def cost_of_distribution(
    *,
    data: str,
    preset: str = "mini",
    style: str = "modern",
    length: int = 128,
    batch_size: int = 64,
    rounds: int = 5,
    seconds: float = 10.0,
    role: Literal["main", "one", "half", "worker"] = "main",
    core: int = 0,
    json_file: str | None = None,
) -> dict[str, Any]:
    """Measure a step of one process on cores 0 and 1, of two workers on a core each, and the parts of the difference.

    The parts: half the batch on one core without anybody to talk to, and the exchange of as many numbers as the model
    has weights. What is left is waiting for the slower worker, and what runs once a step. Rounds alternate.

    Args:
        data: Folder that prepare_corpus wrote.
        preset: Size.
        style: Style.
        length: Tokens a row.
        batch_size: Rows a step, over both workers together.
        rounds: How often each is measured; the median counts.
        seconds: How long each is measured.
        role: main starts the others.
        core: Core of a worker or of the half batch.
        json_file: File to write the figures to.

    Returns:
        The figures.
    """
    if role != "main":
        cores = {0, 1} if role == "one" else {core}
        os.sched_setaffinity(0, cores & os.sched_getaffinity(0))
        measured = _measure(role, data, preset, style, length, batch_size, seconds)
        print(json.dumps(measured))
        return measured
    shared = ["--data", data, "--preset", preset, "--style", style, "--length", str(length)]
    shared += ["--batch-size", str(batch_size), "--seconds", str(seconds)]
    found: dict[str, list[float]] = {"one": [], "half": [], "two": [], "exchange": []}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        (one,) = run_roles([["--role", "one", *shared]])
        (half,) = run_roles([["--role", "half", *shared]])
        two = run_roles([["--role", "worker", "--core", str(index), *shared] for index in range(2)])
        found["one"].append(one["step"])
        found["half"].append(half["step"])
        found["two"].append(max(worker["step"] for worker in two))
        found["exchange"].append(max(worker["exchange"] for worker in two))
    seconds_of = {name: statistics.median(values) for name, values in found.items()}
    figures = {
        "preset": preset, "style": style, "length": length, "batch_size": batch_size, "rounds": rounds,
        **{f"{name}_milliseconds": round(1000 * value, 1) for name, value in seconds_of.items()},
        "throughput_ratio": round(seconds_of["one"] / seconds_of["two"], 3),
        "left_over_milliseconds": round(
            1000 * (seconds_of["two"] - seconds_of["half"] - seconds_of["exchange"]), 1
        ),
    }  # fmt: skip
    for name, value in figures.items():
        print(f"  {name:<24} {value:>12}")
    if json_file is not None:
        Path(json_file).write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def run_roles(arguments: list[list[str]]) -> list[dict[str, float]]:
    """Run processes of this script at the same time, several of them as workers of one cluster.

    Args:
        arguments: command line of each, with its role.

    Returns:
        The seconds that each measured.
    """
    environments: list[dict[str, str]] = [{} for _ in arguments]
    if len(arguments) > 1:
        sockets = [socket.create_server(("localhost", 0)) for _ in arguments]
        cluster = {"worker": [f"localhost:{listener.getsockname()[1]}" for listener in sockets]}
        for index, listener in enumerate(sockets):
            listener.close()
            task = {"type": "worker", "index": index}
            environments[index] = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
    processes = [
        subprocess.Popen([sys.executable, __file__, *line], env={**os.environ, **environment}, stdout=subprocess.PIPE)
        for line, environment in zip(arguments, environments, strict=True)
    ]
    outputs = [process.communicate()[0].decode() for process in processes]
    if any(process.returncode for process in processes):
        sys.exit(1)
    return [json.loads(output.strip().splitlines()[-1]) for output in outputs]


def _measure(
    role: str, data: str, preset: str, style: str, length: int, batch_size: int, seconds: float
) -> dict[str, float]:
    import time

    import tensorflow as tf

    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.training.distribution import strategy_from, worker_batches
    from keras_mlm.training.pace import seconds_per_step
    from keras_mlm.training.workers import Workers

    strategy = strategy_from("multi_worker" if role == "worker" else "default", batch_size=batch_size)
    rows = batch_size // 2 if role == "half" else batch_size
    training = PretrainingConfig.from_style(style, length=length, batch_size=rows, steps=1)
    dataset = PretrainingDataset.from_config(data, training)
    size = dataset.manifest.vocabulary_size
    config = BertConfig.from_preset(preset, style=style, vocabulary_size=size, next_sentence=training.next_sentence)
    batches = worker_batches(dataset, strategy)
    measured = {"step": seconds_per_step(config, training, batches, strategy=strategy, seconds=seconds)}
    if role == "worker":
        weights = BertPretrainer(config).count_params()
        part = tf.zeros([weights])
        workers = Workers(strategy)
        workers.agree()

        @tf.function
        def exchange() -> Any:
            context = tf.distribute.get_replica_context
            return strategy.run(lambda: context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(part)))

        exchange()
        begin = time.perf_counter()
        for _ in range(10):
            strategy.experimental_local_results(exchange())[0].numpy()
        measured["exchange"] = (time.perf_counter() - begin) / 10
    return measured


if __name__ == "__main__":
    command_line.run(cost_of_distribution)
