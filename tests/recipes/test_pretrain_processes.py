"""Pre-training in processes of its own: killed, on a full disk, on several devices and by several workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from recipe_runs import write_corpus

from keras_mlm.training.checkpoint_file import read_checkpoint

RECIPE = Path(__file__).parents[2] / "recipes" / "pretrain.py"
WORDS = ["red", "green", "blue", "sky", "sea", "tree"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "data", WORDS)


def start(data: str, output: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, str(RECIPE), "--data", data, "--output", str(output), "--preset", "tiny"]
    command += ["--length", "16", "--batch-size", "8", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_fit(process: subprocess.Popen) -> None:
    """Return while the first step is being traced."""
    for line in process.stderr:
        if "first step" in line:
            break
    time.sleep(0.5)


@pytest.mark.slow
def test_a_disk_that_is_really_full(data, tmp_path):
    """A file system of its own with room for one checkpoint and the model, but not for a second checkpoint."""
    unshare = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("no file systems of one's own here")
    mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && "$@"; code=$?; cp -r "$0" "$0-kept"; exit $code'
    command = [sys.executable, str(RECIPE), "--data", data, "--output", str(tmp_path / "disk" / "model"), "--preset"]
    command += ["tiny", "--length", "16", "--batch-size", "8", "--steps", "40", "--checkpoint-minutes", "0.0001"]
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        [*unshare, "sh", "-c", mount, str(tmp_path / "disk"), *command], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "CHECKPOINT NOT WRITTEN at step 2 (" in done.stderr and "the one of step 1 stays" in done.stderr
    run = tmp_path / "disk-kept" / "model" / "run" / "checkpoints"
    assert [path.name for path in run.iterdir()] == ["step-00000001.npz"]
    assert read_checkpoint(str(run / "step-00000001.npz"))[1]["budget"]["step"] == 1
    assert json.loads((tmp_path / "disk-kept" / "model" / "metrics.json").read_text())["steps"] == 40


@pytest.mark.slow
def test_two_workers_train_as_one_process(data, tmp_path):
    arguments = ["--data", data, "--preset", "tiny", "--style", "modern", "--length", "16", "--batch-size", "8"]
    arguments += ["--steps", "30", "--optimizer", "lamb", "--schedule", "cosine", "--micro-batches", "2"]
    arguments += ["--precision", "float32"]  # which one process would not take by itself on every CPU
    launch = [sys.executable, str(RECIPE.with_name("launch_local.py")), "-n", "2", "--", str(RECIPE)]
    for command, name in (([*launch, "--strategy", "multi_worker"], "two"), ([sys.executable, str(RECIPE)], "one")):
        command = [*command, *arguments, "--output", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-4) and one["steps"] == two["steps"] == 30
    refused = subprocess.run(
        [*launch, "--strategy", "multi_worker", *arguments[:8], "--batch-size", "6", "--micro-batches", "2", "--steps",
         "30", "--output", str(tmp_path / "three")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "cannot be shared evenly by 2 devices in 2 micro-batches each; the next that can is 8" in refused.stdout


@pytest.mark.slow
def test_two_logical_devices(data, tmp_path):
    process = start(data, tmp_path / "model", "--steps", "60", "--strategy", "mirrored", "--masking", "whole_word")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["steps"] == 60


@pytest.mark.slow
def test_two_workers_find_the_same_tokens_hard_as_one_process(data, tmp_path):
    arguments = ["--data", data, "--preset", "tiny", "--style", "modern", "--length", "16", "--batch-size", "8"]
    arguments += ["--steps", "420", "--adaptive-masking", "--precision", "float32"]
    launch = [sys.executable, str(RECIPE.with_name("launch_local.py")), "-n", "2", "--", str(RECIPE)]
    found = []
    for command, name in (([*launch, "--strategy", "multi_worker"], "two"), ([sys.executable, str(RECIPE)], "one")):
        command = [*command, *arguments, "--output", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        path = tmp_path / name / "run" / "checkpoints" / "step-00000420.npz"
        arrays, _ = read_checkpoint(str(path))
        assert arrays["more-0002"] == 3, "two blocks have ended, and what they taught is used from the second on"
        found.append((np.array([arrays["more-0000"], arrays["more-0001"]]), *arrays["more-0003"].T))
    (weights, hits, seen), (weights_of_one, hits_of_one, seen_of_one) = found
    # The words of this corpus, the last of the vocabulary: nothing tells which comes next, so most guesses are wrong.
    assert weights.max() < 1 and weights[:, -len(WORDS) :].std() > 0
    # The same tokens were masked, every one of them. What is guessed of them may differ: sums are added in another
    # order, and the logits of words that nothing tells apart are nearly equal.
    np.testing.assert_array_equal(seen, seen_of_one)
    assert seen.sum() > 10_000 and hits.sum() == pytest.approx(hits_of_one.sum(), rel=0.05)
    np.testing.assert_allclose(weights, weights_of_one, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [("--masking", "whole_word"), ("--style", "modern", "--final-length", "32", "--adaptive-masking")],
    ids=["whole_word", "packed_grown_and_adaptive"],
)
def test_a_killed_run_ends_with_the_same_bits(data, tmp_path, options):
    arguments = ("--steps", "700", "--deterministic", *options)
    whole = start(data, tmp_path / "whole", *arguments)
    killed = start(data, tmp_path / "killed", *arguments)
    # Every two minutes is too rare for a test: Ctrl-C writes the checkpoint that kill -9 then falls back to.
    wait_for_fit(killed)
    killed.send_signal(signal.SIGINT)
    assert killed.wait(timeout=300) == 130
    again = start(data, tmp_path / "killed", *arguments)
    wait_for_fit(again)
    time.sleep(6)
    again.kill()
    again.wait()
    last = start(data, tmp_path / "killed", *arguments)
    assert ", from step " in last.communicate(timeout=300)[0] and last.returncode == 0
    assert whole.communicate(timeout=300) and whole.returncode == 0
    checkpoint = Path("run") / "checkpoints" / "step-00000700.npz"
    with np.load(tmp_path / "whole" / checkpoint) as one, np.load(tmp_path / "killed" / checkpoint) as two:
        names = [name for name in one.files if name != "state.json"]
        assert len(names) > 60
        for name in names:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)
