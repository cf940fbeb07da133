import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_run import fit, tiny_batches, tiny_model

from keras_mlm.errors import InputError, Interrupted, RunError
from keras_mlm.training import checkpoint_file
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_checkpoint import TrainingCheckpoint

# A run of its own, so that it can be killed: python -c RUN FOLDER STEPS WAIT
RUN = """
import sys, time
import keras, numpy as np, tensorflow as tf
from tiny_run import fit, tiny_batches, tiny_model
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_checkpoint import TrainingCheckpoint

folder, steps, wait = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
tf.config.experimental.enable_op_determinism()
model = tiny_model()
budget = TrainingBudget(steps=steps, learning_rate=1e-2)
checkpoint = TrainingCheckpoint(folder, budget, every_seconds=0)
step = checkpoint.resume(model)
print("from", step, flush=True)
slow = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(wait))
fit(model, [budget, checkpoint, slow], step)
variables = model.variables + model.optimizer.variables
np.savez(folder + "/end.npz", *[keras.ops.convert_to_numpy(variable) for variable in variables])
"""


def start(folder: Path, steps: int, wait: float) -> subprocess.Popen:
    command = [sys.executable, "-c", RUN, str(folder), str(steps), str(wait)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for_steps(folder: Path, number: int) -> None:
    deadline = time.monotonic() + 120
    while not any(int(path.stem[5:]) >= number for path in folder.glob("step-*.npz")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def resume(folder: Path | str, steps: int = 5, settings: dict | None = None, every_seconds: float = 0.0):
    """Return a new model, its budget and checkpoint, and the step they were restored to."""
    model, budget = tiny_model(seed=99), TrainingBudget(steps=steps, learning_rate=1e-2)
    checkpoint = TrainingCheckpoint(str(folder), budget, settings=settings, every_seconds=every_seconds)
    return model, budget, checkpoint, checkpoint.resume(model)


def run(folder: Path | str, steps: int = 5, more: tuple = (), **kwargs) -> tuple[keras.Model, TrainingBudget]:
    """Train from whatever checkpoint there is, with one after every step."""
    model, budget, checkpoint, step = resume(folder, steps, **kwargs)
    fit(model, [budget, *more, checkpoint], step)
    return model, budget


@pytest.fixture(scope="module")
def five_steps(tmp_path_factory):
    """A folder with the checkpoints of five steps, and the model that they led to."""
    folder = tmp_path_factory.mktemp("run")
    return folder, run(folder, settings={"rate": 1})[0]


@pytest.fixture
def folder(five_steps, tmp_path) -> Path:
    """A copy of it that may be damaged."""
    return shutil.copytree(five_steps[0], tmp_path / "run")


def variables(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables + model.optimizer.variables]


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    processes = [start(whole, 40, 0.0), start(killed, 40, 0.05)]
    wait_for_steps(killed, 11)
    processes[1].kill()
    processes[1].wait()
    second = start(killed, 40, 0.0)
    begun = second.communicate(timeout=120)[0].split()
    assert second.returncode == 0 and begun[0] == "from" and 11 <= int(begun[1]) < 40
    assert processes[0].wait(timeout=120) == 0
    with np.load(whole / "end.npz") as one, np.load(killed / "end.npz") as two:
        assert len(one.files) == len(two.files) > 15
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])


def test_dropout_and_moments_are_part_of_a_checkpoint(five_steps):
    folder, trained = five_steps
    model, budget, _, step = resume(folder, settings={"rate": 1})
    assert step == budget.step == 5 and budget.used_up and budget.seconds > 0
    for before, after in zip(variables(trained), variables(model), strict=True):
        np.testing.assert_array_equal(before, after)
    assert any("seed" in variable.path for variable in model.variables)


def test_the_two_newest_stay_and_the_last_step_is_one_of_them(folder, tmp_path):
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000004.npz", "step-00000005.npz"]
    run(tmp_path / "other", steps=3, every_seconds=1000)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["step-00000003.npz"]


@pytest.mark.parametrize("damage", ["cut", "empty", "changed"])
def test_a_damaged_newest_falls_back_to_the_one_before(folder, caplog, damage):
    newest = folder / "step-00000005.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0x40
    newest.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "changed": content}[damage])
    assert resume(folder, settings={"rate": 1})[3] == 4
    assert "step-00000005.npz" in caplog.text and "damaged" in caplog.text
    newest.with_name("step-00000004.npz").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"no checkpoint in .* can be read"):
        resume(folder, settings={"rate": 1})


def test_a_checkpoint_holds_no_pickle(folder):
    with np.load(folder / "step-00000005.npz", allow_pickle=False) as file:
        names = [name for name in file.files if name != "state.json"]
        assert len(names) > 15 and all(file[name].dtype != object for name in names)


def test_other_settings_and_other_models_are_refused(folder):
    with pytest.raises(InputError, match=r"other settings: rate 1 \(now 2\)"):
        resume(folder, settings={"rate": 2})
    model = keras.Sequential([keras.layers.Dense(3)])
    model.build((None, 8))
    model.compile(optimizer="sgd", loss="mse")
    budget = TrainingBudget(steps=2, learning_rate=1e-2)
    with pytest.raises(InputError, match="another model or optimizer"):
        TrainingCheckpoint(str(folder), budget, settings={"rate": 1}).resume(model)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), None])
def test_a_full_disk_keeps_the_old_checkpoint_and_trains_on(tmp_path, caplog, monkeypatch, error):
    error = error or tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    write = checkpoint_file.np.lib.format.write_array
    budget_steps = []

    def full(entry, array, **kwargs):
        if budget_steps and budget_steps[-1] >= 2:
            entry.write(b"half")
            raise error
        write(entry, array, **kwargs)

    monkeypatch.setattr(checkpoint_file.np.lib.format, "write_array", full)
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: budget_steps.append(batch + 1))
    _, budget = run(tmp_path, steps=4, more=[count])
    assert budget.step == 4
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]
    assert "CHECKPOINT NOT WRITTEN at step 2" in caplog.text and "No space left" in caplog.text
    assert "the one of step 1 stays" in caplog.text
    monkeypatch.undo()
    assert resume(tmp_path)[3] == 1


def test_remote_folders_survive_what_local_ones_do(caplog, monkeypatch):
    """Stop, truncation, leftovers, other settings, a bad batch and a full disk, on a file system without a disk."""
    folder = "ram://checkpoints/run"
    names = lambda: sorted(tf.io.gfile.listdir(folder))
    stop = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: os.kill(os.getpid(), signal.SIGTERM) if batch == 3 else None
    )
    with pytest.raises(Interrupted, match=rf"step 4 is saved in {folder}"):
        run(folder, steps=9, more=[stop], settings={"rate": 1})
    assert names() == ["step-00000003.npz", "step-00000004.npz"]
    with pytest.raises(InputError, match=r"ram://.*other settings: rate 1 \(now 2\)"):
        resume(folder, settings={"rate": 2})

    with tf.io.gfile.GFile(f"{folder}/step-00000004.npz", "rb") as file:
        content = file.read()
    tf.io.gfile.remove(f"{folder}/step-00000004.npz")  # ram:// writes on where a file is
    with tf.io.gfile.GFile(f"{folder}/step-00000004.npz", "wb") as file:
        file.write(content[: len(content) // 2])
    with tf.io.gfile.GFile(f"{folder}/step-00000005.npz.partial", "wb") as file:
        file.write(content[:100])
    model, budget, checkpoint, place = resume(folder, steps=9, settings={"rate": 1})
    assert place == 3 and "damaged" in caplog.text and names() == ["step-00000003.npz", "step-00000004.npz"]

    fit(model, [spoil(model, budget, {5}), budget, checkpoint], place)
    assert (budget.step, budget.skipped) == (9, 1) and "no finite number" in caplog.text
    assert resume(folder, steps=9, settings={"rate": 1})[3] == 10

    def full(path, target, overwrite):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    monkeypatch.setattr(checkpoint_file.tf.io.gfile, "rename", full)
    before = names()
    _, budget = run(folder, steps=11, settings={"rate": 1})
    assert budget.step == 11 and names() == before and "CHECKPOINT NOT WRITTEN at step 10" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_and_says_how_to_go_on(tmp_path, number):
    handlers = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
    ended = []
    interrupt = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: os.kill(os.getpid(), number) if batch == 3 else None,
        on_train_end=lambda logs: ended.append(True),
    )
    with pytest.raises(Interrupted, match=r"step 4 is saved in .*; the same command again continues"):
        run(tmp_path, steps=50, every_seconds=1000, more=[interrupt])
    assert ended == [True]
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004.npz"]
    assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == handlers
    assert resume(tmp_path)[3] == 4


def spoil(model, budget, places):
    """A callback that makes the weights useless before the batches at these places in the data."""

    def before(batch, logs):
        if budget.position in places:
            model.layers[0].bias.assign(np.full(16, np.nan))

    return keras.callbacks.LambdaCallback(on_train_batch_begin=before)


def test_a_bad_batch_is_left_out_and_its_weights_are_not_kept(tmp_path, caplog):
    model, budget, checkpoint, _ = resume(tmp_path, steps=20)
    fit(model, [spoil(model, budget, {5, 9}), budget, checkpoint])
    assert budget.step == 20 and budget.skipped == 2 and budget.position == 22
    assert all(np.isfinite(value).all() for value in variables(model))
    assert "THE LOSS is no finite number at step 6: back to the checkpoint of step 5, 1 batches are" in caplog.text
    # Without callbacks of its own, on the batches that were not left out, a run ends with the same weights.
    plain = tiny_model(seed=99)
    steps = [step for step in range(22) if step not in (5, 9)]
    whole = list(tiny_batches().take(22))
    plan = TrainingBudget(steps=20, learning_rate=1e-2)
    kept = tf.data.Dataset.from_tensor_slices(tuple(tf.stack([whole[s][i] for s in steps]) for i in (0, 1)))
    plain.fit(kept, verbose=0, shuffle=False, callbacks=[plan])
    for one, two in zip(variables(plain), variables(model), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)
    # And a run that goes on later knows the place.
    assert resume(tmp_path)[3] == 22


def test_a_run_that_diverges_again_and_again_ends_and_keeps_the_checkpoints_before(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    model, budget, checkpoint, _ = resume(tmp_path, steps=20)
    with pytest.raises(RunError, match="no finite number at step 3, 3 times in a row: start a run with a lower"):
        fit(model, [spoil(model, budget, range(2, 99)), budget, checkpoint])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001.npz", "step-00000002.npz"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_run_that_diverges_before_its_first_checkpoint_ends(tmp_path):
    model, budget, checkpoint, _ = resume(tmp_path, steps=20, every_seconds=1000)
    with pytest.raises(RunError, match="no finite number at step 3, and there is no checkpoint yet"):
        fit(model, [spoil(model, budget, {2}), budget, checkpoint])
    assert not any(tmp_path.iterdir())


def test_the_checkpoint_with_the_lowest_loss_stays(tmp_path):
    model, budget, checkpoint, _ = resume(tmp_path, steps=8)
    losses = [5.0, 4.0, 1.0, 3.0, 6.0, 2.0, 2.5, 2.6]
    given = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: logs.update(loss=losses[budget.step - 1])
    )
    fit(model, [budget, given, checkpoint])
    assert sorted(int(path.stem[5:]) for path in tmp_path.iterdir()) == [3, 7, 8]


def test_a_checkpoint_of_the_first_version_is_read(five_steps, tmp_path):
    arrays, state = checkpoint_file.read_checkpoint(str(five_steps[0] / "step-00000005.npz"))
    del state["best"], state["budget"]["skipped"]
    checkpoint_file.write_checkpoint(str(tmp_path / "step-00000005.npz"), arrays, state)
    assert resume(tmp_path, settings={"rate": 1})[3] == 5


def test_a_second_interrupt_stops_at_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING)

    def twice(batch, logs):
        # Not `os.kill`: two signals that come before Python looks are one.
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path, more=[keras.callbacks.LambdaCallback(on_train_batch_begin=twice)])
    assert not isinstance(caught.value, Interrupted)
    assert caplog.text.count("again stops at once") == 1


def test_a_second_interrupt_stops_at_once_after_a_run_that_failed(tmp_path, caplog):
    def fail(batch, logs):
        raise RuntimeError("of somebody's callback")

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="somebody's"):
        run(tmp_path / "failed", more=[keras.callbacks.LambdaCallback(on_train_batch_begin=fail)])
    test_a_second_interrupt_stops_at_once(tmp_path / "next", caplog)
    assert signal.getsignal(signal.SIGINT) is handler
