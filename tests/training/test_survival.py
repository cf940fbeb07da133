"""Runs that are killed, stopped and continued, alone and by two workers on loopback."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from keras_mlm.training.checkpoint_file import read_checkpoint

SCRIPT = Path(__file__).with_name("worker_run.py")


class Job:
    """The processes of one run: a single one, or a worker for each port."""

    def __init__(self, folder: Path, steps: int, ports: Sequence[int] = (), wait: float = 0.0, dropout: float = 0.1):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        environments: list[dict[str, str]] = [{}]
        if ports:
            cluster = {"worker": [f"localhost:{port}" for port in ports]}
            environments = [
                {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
                for index in range(len(ports))
            ]
        command = [sys.executable, str(SCRIPT), str(folder), str(steps), str(wait)]
        self.processes = [
            subprocess.Popen(
                command,
                env={**os.environ, "DROPOUT": str(dropout), **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for environment in environments
        ]

    def wait_for_step(self, step: int) -> None:
        deadline = time.monotonic() + 180
        while not any(int(path.stem[5:]) >= step for path in self.folder.glob("step-*.npz")):
            assert time.monotonic() < deadline and all(process.poll() is None for process in self.processes)
            time.sleep(0.02)

    def end(self, timeout: float = 180) -> list[tuple[int, str, str]]:
        """Wait and return (exit code, output, errors) of each process."""
        outputs = [process.communicate(timeout=timeout) for process in self.processes]
        return [(process.returncode, *output) for process, output in zip(self.processes, outputs, strict=True)]

    def finish(self) -> int:
        """Return the step that it continued from, after checking that it ended well."""
        ended = self.end()
        assert all(code == 0 for code, _, _ in ended), "\n".join(errors[-1500:] for _, _, errors in ended)
        (begun,) = {int(output.split()[1]) for _, output, _ in ended}
        return begun


def end_of(folder: Path) -> list[np.ndarray]:
    with np.load(folder / "end.npz") as file:
        return [file[name] for name in file.files]


def check_checkpoints(folder: Path) -> int:
    """Return the newest checkpoint's step, after reading every one of them."""
    paths = sorted(folder.glob("step-*.npz"))
    assert [read_checkpoint(str(path))[1]["budget"]["step"] for path in paths] == [int(p.stem[5:]) for p in paths]
    return int(paths[-1].stem[5:])


def assert_close(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """The weights and moments of two runs of other world sizes, whose sums have another order."""
    assert len(found) == len(wanted) > 30
    for a, b in zip(found, wanted, strict=True):
        if a.shape == (48,):
            continue  # queries', keys' and values' bias: Adam makes steps out of the rounding noise of the keys'
        assert np.abs(a - b).max() <= 1e-4 * max(1e-3, np.abs(b).max())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    Job(folder, 30, dropout=0.0).finish()
    return end_of(folder)


def test_sigterm_on_one_worker_stops_both_and_one_process_goes_on(tmp_path, whole, free_ports):
    job = Job(tmp_path / "run", 30, ports=free_ports(2), wait=0.1, dropout=0.0)
    job.wait_for_step(5)
    job.processes[1].send_signal(signal.SIGTERM)
    ended = job.end()
    # Whoever leaves last may log behind its own message, in TensorFlow's words, that the other has left.
    messages = ["".join(re.findall(r"^.*Interrupted: step .*$", errors, re.MULTILINE)) for _, _, errors in ended]
    assert messages[0] == messages[1] and " is saved in " in messages[0], ended
    saved = int(messages[0].split("step ")[1].split()[0])
    # The world shrinks to one process, which takes the same steps.
    alone = Job(tmp_path / "run", 30, dropout=0.0)
    assert alone.finish() == saved >= 5
    assert_close(end_of(tmp_path / "run"), whole)


@pytest.mark.slow
def test_the_world_may_shrink_and_grow(tmp_path, free_ports):
    for steps, ports in ((10, free_ports(2)), (20, ()), (30, free_ports(2))):
        Job(tmp_path / "run", steps, ports=ports, dropout=0.0).finish()
    # The rate depends on the number of steps, so the run is compared with one that was lengthened as often, alone.
    for steps in (10, 20, 30):
        Job(tmp_path / "alone", steps, dropout=0.0).finish()
    assert_close(end_of(tmp_path / "run"), end_of(tmp_path / "alone"))


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory, free_ports) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp("two_workers") / "run"
    Job(folder, 25, ports=free_ports(2)).finish()
    return end_of(folder)


@pytest.mark.slow
def test_a_killed_chief_or_worker_ends_the_job_in_time_and_the_restarted_job_ends_the_same(
    tmp_path, two_workers, free_ports
):
    begun = 0
    for victim, step in ((0, 6), (1, 14)):
        job = Job(tmp_path / "run", 25, ports=free_ports(2), wait=0.1)
        job.wait_for_step(step)
        job.processes[victim].kill()
        begin = time.monotonic()
        ended = job.end(timeout=60)
        assert time.monotonic() - begin < 60
        code, output, errors = ended[1 - victim]
        assert code != 0 and "another worker is lost, so this one ends too" in errors
        assert output.split()[1] == str(begun)
        begun = check_checkpoints(tmp_path / "run")
    assert Job(tmp_path / "run", 25, ports=free_ports(2)).finish() == begun >= 14
    for one, two in zip(end_of(tmp_path / "run"), two_workers, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)


@pytest.mark.slow
def test_two_workers_leave_out_a_bad_batch_as_one_process_does(tmp_path, monkeypatch, free_ports):
    monkeypatch.setenv("SPOILED", "5 9")
    for name, ports in (("one", []), ("two", free_ports(2))):
        Job(tmp_path / name, 20, ports, dropout=0.0).finish()
    assert_close(end_of(tmp_path / "two"), end_of(tmp_path / "one"))
    monkeypatch.delenv("SPOILED")
    assert Job(tmp_path / "two", 20, dropout=0.0).finish() == 22  # twenty steps, and two batches that were left out


@pytest.mark.slow
def test_a_run_killed_twice_ends_with_the_same_bits(tmp_path):
    """Ten kills of the recipe itself, alone and by two workers: recipes/benchmarks/ten_kills.py."""
    Job(tmp_path / "whole", 120).finish()
    generator, begun = random.Random(0), 0
    for _ in range(2):
        job = Job(tmp_path / "run", 120, wait=0.01)
        job.wait_for_step(begun + generator.randint(5, 30))
        time.sleep(generator.random() * 0.1)
        job.processes[0].kill()
        _, output, errors = job.end()[0]
        assert "damaged" not in errors and output.split()[1] == str(begun)
        begun = check_checkpoints(tmp_path / "run")
    # What a kill in the middle of writing leaves is removed.
    leftover = tmp_path / "run" / f"step-{begun + 1:08d}.npz.partial"
    leftover.write_bytes(b"half")
    assert Job(tmp_path / "run", 120).finish() == begun < 120
    assert not leftover.exists()
    for one, two in zip(end_of(tmp_path / "run"), end_of(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(one, two)
