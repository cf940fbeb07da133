"""Does a killed run end where an undisturbed one does? Kills pretrain.py at random moments, one process and two."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

from keras_mlm import command_line

RECIPE = Path(__file__).parent.parent / "pretrain.py"
# Kills come up to so many seconds after a checkpoint that is new since the last start; a checkpoint is written every
# second, so they fall between checkpoints, into one, and before the first step.
LATEST = 2.0


def ten_kills(
    *,
    data: str,
    kills: int = 10,
    steps: int = 2000,
    preset: str = "tiny",
    style: str = "classic",
    length: int = 64,
    batch_size: int = 32,
    seed: int = 0,
    workers: list[Literal["1", "2"]] | None = None,
    work: str = "saved_models/ten_kills",
    json_file: str | None = None,
) -> list[dict[str, Any]]:
    """Kill -9 a run, read every checkpoint that is there, start it again; at its end compare all weights and moments.

    The style classic has dropout, whose random states are part of what must be continued. One process runs with
    --deterministic and must end with the same bits; two workers within 1e-6 of the undisturbed two, as a share of the
    largest number of each variable. Of two workers one is killed, drawn anew each time, and the other ends by itself.
    What is done is kept in --work, so the command can be stopped and said again.

    Args:
        data: Folder that prepare_corpus wrote.
        kills: How often each run is killed.
        steps: Length of the run. Without a kill left before its end, the rest is not done and said to be missing.
        preset: Size.
        style: Style.
        length: Tokens a row.
        batch_size: Rows a step.
        seed: Of the moments and the victims.
        workers: 1 and 2 by default; what is there already in --json-file for other numbers is kept.
        work: Folder for the runs; remove it to begin anew.
        json_file: File to write the figures to.

    Returns:
        A row for each number of workers.
    """
    options = ["--preset", preset, "--style", style, "--length", str(length), "--batch-size", str(batch_size)]
    options += ["--steps", str(steps), "--data", data, "--checkpoint-minutes", str(1 / 60)]
    found = json.loads(Path(json_file).read_text()) if json_file and Path(json_file).exists() else []
    for number in map(int, workers or ["1", "2"]):
        folder = Path(work, f"{number}-workers")
        folder.mkdir(parents=True, exist_ok=True)
        row = _kill_often(number, kills, options, folder, seed)
        row |= {"preset": preset, "style": style, "length": length, "batch_size": batch_size, "steps": steps}
        found = sorted([*(r for r in found if r["workers"] != number), row], key=lambda r: r["workers"])
        if json_file is not None:
            Path(json_file).write_text(json.dumps(found, indent=1) + "\n")
    for row in found:
        _print(row)
    return found


def _kill_often(workers: int, kills: int, options: list[str], work: Path, seed: int) -> dict[str, Any]:
    options = [*options, *(["--strategy", "multi_worker"] if workers > 1 else ["--deterministic"])]
    print(f"workers: {workers}; the undisturbed run", flush=True)
    _finish(_start(workers, [*options, "--output", str(work / "whole")], work))
    output, done = work / "killed", work / "kills.json"
    rows = json.loads(done.read_text()) if done.exists() else []
    for kill in range(len(rows), kills):
        newest = max(_steps(output), default=0)
        processes = _start(workers, [*options, "--output", str(output)], work)
        row = _kill_one(processes, output, work, newest, random.Random(f"{seed} {kill}"))
        rows.append({"kill": kill + 1, **row})
        done.write_text(json.dumps(rows))
        print("  ".join(f"{name}: {value}" for name, value in rows[-1].items()), flush=True)
    _finish(_start(workers, [*options, "--output", str(output)], work))
    return {
        "workers": workers, "kills": rows,
        "checkpoints_read": sum(row["checkpoints"] for row in rows),
        "checkpoints_damaged": sum(row["damaged"] for row in rows),
        **_difference(work / "whole", output),
    }  # fmt: skip


def _kill_one(
    processes: list[subprocess.Popen[bytes]], output: Path, work: Path, newest: int, draw: random.Random
) -> dict[str, Any]:
    """Kill one process at a random moment, wait for the others, and return the row."""
    victim, wait = draw.randrange(len(processes)), draw.random() * LATEST
    while max(_steps(output), default=0) <= newest:
        if any(process.poll() is not None for process in processes):
            sys.exit(_last_lines(work))
        time.sleep(0.01)
    time.sleep(wait)
    if any(process.poll() is not None for process in processes):
        sys.exit("the run ended before it could be killed: give more --steps")
    processes[victim].kill()
    begin = time.monotonic()
    codes = [process.wait(timeout=120) for process in processes]
    ended = time.monotonic() - begin
    others = [code for index, code in enumerate(codes) if index != victim]
    if 0 in codes or any(code != 1 for code in others):  # 1: a RunError that says that a worker is lost
        sys.exit(f"ended with {codes}\n{_last_lines(work)}")
    steps, damaged = _steps(output), _damaged(output)
    # A checkpoint that is damaged would be told in the log of the next start, too.
    damaged += (work / "0.log").read_text().count("a checkpoint is damaged")
    return {
        "victim": ["chief", "worker"][victim] if len(processes) > 1 else "process",
        "started_from": newest, "newest_checkpoint": max(steps), "checkpoints": len(steps), "damaged": damaged,
        "half_written": len(list((output / "run" / "checkpoints").glob("*.partial"))),
        "seconds_until_all_ended": round(ended, 1),
    }  # fmt: skip


def _start(workers: int, arguments: list[str], work: Path) -> list[subprocess.Popen[bytes]]:
    environments: list[dict[str, str]] = [{}]
    if workers > 1:
        sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
        cluster = {"worker": [f"localhost:{listener.getsockname()[1]}" for listener in sockets]}
        for listener in sockets:
            listener.close()
        tasks = [{"type": "worker", "index": index} for index in range(workers)]
        environments = [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]
    processes = []
    for index, environment in enumerate(environments):
        with (work / f"{index}.log").open("wb") as log:
            command = [sys.executable, str(RECIPE), *arguments]
            processes.append(subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log))
    return processes


def _finish(processes: list[subprocess.Popen[bytes]]) -> None:
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit(f"ended with {codes}")


def _steps(output: Path) -> list[int]:
    return [int(path.stem[5:]) for path in (output / "run" / "checkpoints").glob("step-*.npz")]


def _damaged(output: Path) -> int:
    from keras_mlm.training.checkpoint_file import DamagedCheckpoint, read_checkpoint

    damaged = 0
    for path in (output / "run" / "checkpoints").glob("step-*.npz"):
        try:
            read_checkpoint(str(path))
        except DamagedCheckpoint as error:
            print(error)
            damaged += 1
    return damaged


def _difference(whole: Path, killed: Path) -> dict[str, Any]:
    """Return how far the last checkpoints of two runs are apart: all weights, moments and random states."""
    import numpy as np

    from keras_mlm.training.checkpoint_file import read_checkpoint

    step = max(_steps(whole))
    one, two = (
        read_checkpoint(str(folder / "run" / "checkpoints" / f"step-{step:08d}.npz"))[0] for folder in (whole, killed)
    )
    apart = [
        float(np.abs(one[name].astype("float64") - two[name]).max() / max(1e-12, np.abs(one[name]).max()))
        for name in one
    ]
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (whole, killed)]
    return {
        "variables": len(one),
        "same_bits": sum(bool(np.array_equal(one[name], two[name])) for name in one),
        "largest_difference": max(apart),
        "held_out_loss": [entry["loss"] for entry in metrics],
    }


def _last_lines(work: Path) -> str:
    return "\n".join(path.read_text()[-1500:] for path in sorted(work.glob("*.log")))


def _print(row: dict[str, Any]) -> None:
    from keras_mlm.text_table import text_table

    names = list(row["kills"][0]) if row["kills"] else []
    print(f"\n{row['workers']} worker{'s' * (row['workers'] > 1)}, {row['steps']:,} steps")
    print(
        text_table(
            [name.replace("_", " ") for name in names], [[kill[name] for name in names] for kill in row["kills"]]
        )
    )
    print(
        f"{row['same_bits']} of {row['variables']} variables have the same bits, largest difference "
        f"{row['largest_difference']:.2g}; of {row['checkpoints_read']} checkpoints read after a kill "
        f"{row['checkpoints_damaged']} were damaged; held-out loss {row['held_out_loss'][0]} and "
        f"{row['held_out_loss'][1]}"
    )


if __name__ == "__main__":
    command_line.run(ten_kills)
