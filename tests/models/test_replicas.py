"""One meaning of the step: one device, replicas and workers, each with and without micro-batches, learn the same."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("equal_steps.py")
OVERFLOW = "overflow/2/mixed_float16"
EVERY_CELL = [f"{optimizer}/{parts}" for optimizer, parts in itertools.product(("sgd", "adamw"), (1, 4))]
COMPILED = ["sgd/1/xla", "adamw/4/xla"]


def run(folder, kind, cells, ports=(), devices=1):
    """Take the steps, by as many workers as there are ports, and return the results of each process."""
    environments = [{}]
    if ports:
        cluster = {"cluster": {"worker": [f"localhost:{port}" for port in ports]}}
        environments = [
            {"TF_CONFIG": json.dumps({**cluster, "task": {"type": "worker", "index": index}})}
            for index in range(len(ports))
        ]
    processes = []
    for index, environment in enumerate(environments):
        command = [sys.executable, str(SCRIPT), kind, str(folder / f"{kind}-{index}.npz"), str(devices), *cells]
        with (folder / f"{kind}-{index}.log").open("w") as log:
            processes.append(subprocess.Popen(command, env={**os.environ, **environment}, stderr=log))
    codes = [process.wait(timeout=400) for process in processes]
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    assert codes == [0] * len(codes), logs
    return [dict(np.load(folder / f"{kind}-{index}.npz")) for index in range(len(processes))]


def relative(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


def assert_equal_steps(found, wanted, cells):
    """Compare with one device and one micro-batch, in the tolerances that the order of sums leaves."""
    for cell in cells:
        one = cell.split("/")[0] + "/1"
        names = [name.removeprefix(one + "/") for name in wanted if name.startswith(one + "/")]
        assert len(names) > 30
        for name in names:
            a, b = found[f"{cell}/{name}"], wanted[f"{one}/{name}"]
            if name.startswith(("log-", "evaluated-")):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7, err_msg=f"{cell} {name}")
            elif name.startswith("start-"):
                np.testing.assert_array_equal(a, b)
            elif name.endswith("query_key_value/bias"):
                # The gradient of a key's bias is 0 in exact arithmetic; Adam makes steps out of its rounding noise.
                query, _, value = zip(np.split(a, 3), np.split(b, 3), strict=True)
                assert relative(*query) <= 1e-4 and relative(*value) <= 1e-4
            else:
                limit = 1e-5 if cell.startswith("sgd") else 1e-4
                assert relative(a, b) <= limit, (cell, name, relative(a, b))
                assert np.abs(b - wanted[f"{one}/start-{name.removeprefix('weight-')}"]).max() > 1e-4, name


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    return run(tmp_path_factory.mktemp("one"), "default", ["adamw/1", "adamw/4"])[0]


@pytest.fixture(scope="module")
def one_device_with_every_cell(tmp_path_factory):
    return run(tmp_path_factory.mktemp("all"), "default", EVERY_CELL)[0]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    return run(tmp_path_factory.mktemp("mirrored"), "mirrored", ["adamw/4", OVERFLOW])[0]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory, free_ports):
    return run(tmp_path_factory.mktemp("workers"), "multi_worker", ["adamw/1/xla"], free_ports(2))


def test_micro_batches_change_nothing(one_device):
    assert_equal_steps(one_device, one_device, ["adamw/4"])


def test_two_replicas_learn_what_one_device_learns(mirrored, one_device):
    assert mirrored["replicas"] == 2
    assert_equal_steps(mirrored, one_device, ["adamw/4"])


def test_two_workers_learn_what_one_device_learns(two_workers, one_device):
    for worker in two_workers:
        assert worker["replicas"] == 2
        assert_equal_steps(worker, one_device, ["adamw/1/xla"])
    for name, value in two_workers[0].items():
        if name != "dropout":
            np.testing.assert_array_equal(two_workers[1][name], value, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "workers", "devices"), [("mirrored", 0, 1), ("multi_worker", 2, 1),
                                                          ("multi_worker", 2, 2)])  # fmt: skip
def test_every_optimizer_and_micro_batches(one_device_with_every_cell, tmp_path, free_ports, kind, workers, devices):
    assert_equal_steps(one_device_with_every_cell, one_device_with_every_cell, EVERY_CELL)
    cells = [*EVERY_CELL, *COMPILED]
    for process in run(tmp_path, kind, cells, free_ports(workers), devices):
        assert process["replicas"] == 2 * devices
        assert_equal_steps(process, one_device_with_every_cell, cells)


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "limit"), [("mixed_float16", 0.01), ("mixed_bfloat16", 0.06)])
def test_half_precision_means_the_same_on_replicas_with_micro_batches(tmp_path, precision, limit):
    """A loss scaled twice, never or by the number of replicas would be off by a factor."""
    (one,) = run(tmp_path, "default", ["sgd/1"])
    (two,) = run(tmp_path, "mirrored", [f"sgd/4/{precision}"])
    names = [name.removeprefix("sgd/1/") for name in one if name.startswith("sgd/1/")]
    for name in names:
        a, b = two[f"sgd/4/{precision}/{name}"], one[f"sgd/1/{name}"]
        if name.startswith("weight-"):
            # What has been learned, weights and biases that hardly move left out.
            start = one[f"sgd/1/start-{name.removeprefix('weight-')}"]
            if np.abs(b - start).max() > 0.02:
                assert np.linalg.norm(a - b) < 5 * limit * np.linalg.norm(b - start), name
        elif name.startswith("log-") and "accuracy" not in name:
            np.testing.assert_allclose(a, b, rtol=5 * limit if "norm" in name else limit, err_msg=name)


@pytest.mark.slow
def test_two_replicas_learn_from_a_teacher_what_one_device_learns(tmp_path):
    (one,) = run(tmp_path, "default", ["sgd+teacher/1", "sgd+teacher/4"])
    (two,) = run(tmp_path, "mirrored", ["sgd+teacher/4"])
    assert "sgd+teacher/1/log-hidden_loss" in one and two["replicas"] == 2
    assert_equal_steps(one, one, ["sgd+teacher/4"])
    assert_equal_steps(two, one, ["sgd+teacher/4"])


def test_a_gradient_that_is_no_number_on_one_replica_skips_the_step_on_all(mirrored):
    found = {name.removeprefix(OVERFLOW + "/"): value for name, value in mirrored.items() if name.startswith(OVERFLOW)}
    # Halved once a step, and neither twice nor once a replica.
    assert found["skipped-scale"] == 2.0**58 and found["stepped-scale"] == 2.0**10
    assert [int(found[f"{moment}-iterations"]) for moment in ("before", "skipped", "stepped")] == [0, 0, 1]
    weights = [name.removeprefix("before-0-") for name in found if name.startswith("before-0-")]
    assert len(weights) > 40
    for name in weights:
        before, skipped, stepped = (
            [found[f"{moment}-{replica}-{name}"] for replica in (0, 1)] for moment in ("before", "skipped", "stepped")
        )
        np.testing.assert_array_equal(skipped, before)
        np.testing.assert_array_equal(stepped[0], stepped[1])
        assert np.isfinite(stepped[0]).all() and not np.array_equal(stepped[0], before[0]), name


def test_dropout_differs_between_replicas_workers_steps_and_micro_batches(mirrored, two_workers):
    # (steps, replicas, micro-batches, units)
    of_workers = np.concatenate([worker["dropout"] for worker in two_workers], axis=1)
    for masks in (mirrored["dropout"], of_workers):
        drawn = masks.reshape(12, 1000)
        for first, second in itertools.combinations(drawn, 2):
            assert 0.4 < np.mean(first == second) < 0.6
    # And it is drawn again: another process, with another strategy, drops the same.
    np.testing.assert_array_equal(mirrored["dropout"], of_workers)
