"""What the benchmarks of speed share: one thread or a process each, alternating rounds, and rows printed."""

import contextlib
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

THREADS = os.cpu_count() or 1


def one_thread() -> None:
    """Hold TensorFlow and Hugging Face's tokenizers to one thread; call it before either does anything."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def whole_pass(dataset: Any) -> Callable[[], Any]:
    """Return a function that reads a dataset to its end, on one thread.

    All batches are read in one operation: handing each to Python would cost both sides the same and hide the ratio.
    """
    import numpy as np
    import tensorflow as tf

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    dataset = dataset.with_options(options)
    return lambda: dataset.reduce(np.int64(0), lambda count, batch: count + 1)


def alternate(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each side took in each round; a round before the first warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


@contextlib.contextmanager
def in_a_process(build: Callable[..., Callable[[], Any]], *arguments: Any) -> Iterator[Callable[[], Any]]:
    """Give a function that runs a side once, in its own process, and returns its answer and its seconds.

    In one process, the waiting threads of two runtimes slow each other down several times.

    Args:
        build: function of a module that makes the side from the arguments, in the new process.
        *arguments: its arguments.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, build, arguments), daemon=True)
    process.start()
    there.close()

    def once() -> Any:
        here.send(None)
        return here.recv()

    yield once
    here.close()
    process.join(timeout=30)


def _serve(connection: Any, build: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    os.environ["RAYON_NUM_THREADS"] = str(THREADS)
    call = build(*arguments)
    with contextlib.suppress(EOFError):
        while True:
            connection.recv()
            begun = time.perf_counter()
            answer = call()
            # Timed here: what it costs to hand the answer over does not count.
            connection.send((answer, time.perf_counter() - begun))


def alternate_processes(
    sides: dict[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Return each side's last answer and the seconds it took in each round, by its own clock; two rounds warm up."""
    answers: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-2, rounds):
        for name, side in sides.items():
            answers[name], taken = side()
            if turn >= 0:
                seconds[name].append(taken)
    return answers, seconds


def peak_megabytes() -> float:
    """Return what this process held at most: `ru_maxrss` would begin with what its parent held."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def publish(
    seconds: dict[str, list[float]], *, shape: str, tokens: int, megabytes: float | None = None,
    more: dict[str, dict[str, Any]] | None = None, json_file: str | None = None,
) -> None:  # fmt: skip
    """Print a row for each side and write the rows to a file.

    Args:
        seconds: what `alternate` returned; the first side is the peer that the others are compared with.
        shape: what was worked on; ratios hold within one shape only.
        tokens: how many tokens the text has, counted one way for all sides.
        megabytes: how much text every side got.
        more: further entries of a side's row.
        json_file: where to write the rows.
    """
    peer = next(iter(seconds))
    rows = []
    for name, times in seconds.items():
        median = statistics.median(times)
        row = {"name": name, "shape": shape, "parameters": 0, "dropout": 0.0}
        row |= {"tokens_per_second": round(tokens / median)}
        if megabytes is not None:
            row["megabytes_per_second"] = round(megabytes / median, 2)
        row["times_peer"] = round(statistics.median(a / b for a, b in zip(seconds[peer], times, strict=True)), 2)
        row |= (more or {}).get(name, {})
        rows.append(row)
    print(f"{shape}; one thread each, medians of {len(seconds[peer])} alternating rounds")
    for row in rows:
        size = f"{row['megabytes_per_second']:8.2f} MB/s" if megabytes is not None else ""
        print(f"{row['name']:26}{size} {row['tokens_per_second']:>12,} tokens/s {row['times_peer']:7.2f} x {peer}")
    if json_file:
        with open(json_file, "w") as file:
            json.dump(rows, file, indent=2)


def documents(text: list[str] | None) -> Iterator[Any]:
    """Return the user's documents, or the docstrings of the installed Python."""
    from keras_mlm.data.docstrings import read_docstrings
    from keras_mlm.data.documents import read_documents

    return read_documents(text) if text else read_docstrings()


def hugging_face(vocabulary: list[str]) -> Any:
    """Return the tokenizer that BertTokenizerFast wraps."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    ids = {token: token_id for token_id, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
