import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from recipe_runs import recipe, run_recipe, write_corpus

from keras_mlm.errors import InputError, Interrupted
from keras_mlm.training.training_checkpoint import TrainingCheckpoint
from keras_mlm.training.training_samples import read_samples

WORDS = ["red", "green", "blue", "sky", "sea", "tree"]
SMALL = {"preset": "tiny", "length": 16, "batch_size": 8}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "data", WORDS)


@pytest.fixture(scope="module")
def pretrain():
    return recipe("pretrain")


@pytest.fixture(scope="module")
def finished(pretrain, data, tmp_path_factory):
    """A finished run: its folder and what it returned."""
    output = tmp_path_factory.mktemp("saved_models") / "small"
    return output, pretrain(data=data, output=str(output), steps=6, **SMALL)


def test_what_a_run_leaves(finished):
    output, metrics = finished
    assert json.loads((output / "metrics.json").read_text()) == metrics
    expected = {"loss", "perplexity", "masked_lm_loss", "masked_lm_accuracy", "next_sentence_loss"}
    expected |= {"next_sentence_accuracy", "steps", "seconds", "tokens_per_second", "parameters"}
    assert set(metrics) == expected
    assert metrics["steps"] == 6
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["masked_lm_loss"]), rel=1e-4)
    # 6 steps of 8 rows of at most 16 tokens, the first step left out of the time.
    assert 0 < metrics["tokens_per_second"] < 6 * 8 * 16 / 1e-3
    page = (output / "report.html").read_text()
    assert ">finished<" in page and "was masked" in page and "<td>40</td>" in page  # state, a sentence, documents
    run = json.loads((output / "run" / "run.json").read_text())
    assert run["format_version"] == 1
    assert (run["model"]["num_layers"], run["pretraining"]["steps"]) == (2, 6)
    assert run["data"].keys() == {"vocabulary_hash", "tokens", "shards"}
    assert [path.name for path in (output / "run" / "checkpoints").iterdir()] == ["step-00000006.npz"]
    assert list((output / "run" / "logs" / "train").glob("events.*"))
    assert list((output / "run" / "logs" / "held_out").glob("events.*"))
    (line,) = read_samples(str(output / "run" / "samples.jsonl"))
    assert line["step"] == 6 and len(line["samples"]) == 8
    for sample in line["samples"]:
        assert sample["text"].count("[MASK]") == 1 and sample["answer"] in WORDS and len(sample["candidates"]) == 5
    (first,) = run["starts"]
    assert first["command"] and first["versions"]["keras_mlm"]
    for name in ("config.json", "model.weights.h5", "vocab.txt", "README.md"):
        assert (output / name).exists()


@pytest.mark.slow
def test_a_mix_of_corpora_is_measured_on_each_and_on_all(pretrain, data, tmp_path):
    other = shutil.copytree(data, tmp_path / "other:x2")
    corpora, output = [f"{data}:0.75", f"{other}:0.25"], tmp_path / "model"
    metrics = pretrain(data=corpora, output=str(output), steps=2, adaptive_masking=True, **SMALL)
    # The held-out halves are the same, so every figure is.
    for name in ("masked_lm_loss", "masked_lm_accuracy", "perplexity"):
        assert metrics[name] == pytest.approx(metrics[f"data/{name}"], rel=1e-5)
        assert metrics[f"data/{name}"] == pytest.approx(metrics[f"other:x2/{name}"], rel=1e-5)
    run = json.loads((output / "run" / "run.json").read_text())
    assert run["pretraining"]["corpus_weights"] == [0.75, 0.25] and run["pretraining"]["adaptive_masking"] is True
    assert {name.split("/")[0] for name in run["data"]["shards"]} == {"data", "other:x2"}
    assert pretrain(data=corpora, output=str(output), steps=2, adaptive_masking=True, **SMALL) == metrics
    for wrong in ([corpora[0], str(other)], [corpora[0], corpora[0]], [corpora[0], f"{other}:-1"]):
        with pytest.raises(InputError, match=r"needs a weight above 0|given twice"):
            pretrain(data=wrong, output=str(tmp_path / "none"), steps=2, **SMALL)
    assert not (tmp_path / "none").exists()


def test_the_same_command_on_a_finished_run_prints_the_result(pretrain, finished, data, capsys):
    output, metrics = finished
    modified = (output / "model.weights.h5").stat().st_mtime_ns
    assert pretrain(data=data, output=str(output), steps=6, **SMALL) == metrics
    printed = capsys.readouterr().out
    assert "is finished. To train longer" in printed and "perplexity" in printed
    assert (output / "model.weights.h5").stat().st_mtime_ns == modified


def test_other_settings_are_refused_with_the_difference(pretrain, finished, data, tmp_path):
    output = str(finished[0])
    with pytest.raises(InputError, match=r"pretraining\.steps 6 \(now 7\), pretraining\.seed 0 \(now 3\);"):
        pretrain(data=data, output=output, steps=7, seed=3, **SMALL)
    other = write_corpus(tmp_path / "other", ["up", "down", "left", "right", "far", "near"])
    with pytest.raises(InputError, match=r"data\.vocabulary_hash"):
        pretrain(data=other, output=output, steps=6, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "huge"}, "unknown preset 'huge'; known are tiny, mini, small, medium, base, large"),
        ({"style": "ancient"}, "unknown style 'ancient'; known are"),
        ({"length": 1024}, "rows of 1024 tokens do not fit the model's 512 positions"),
        ({"final_length": 1024}, "rows of 1024 tokens do not fit the model's 512 positions"),
        ({"final_length": 192}, "final_length must be a multiple of the length 128, not 192"),
        ({"final_length": 512, "batch_size": 6}, "with as many tokens a step: the next batch_size that can is 8"),
        ({"mask_selection_rate": 30.0}, "mask_selection_rate must be between 0 and 1, not 30.0"),
        ({"steps": None, "minutes": 1.0, "final_mask_selection_rate": 0.15}, "final_mask_selection_rate needs steps"),
        ({"minutes": 1.0}, "either in steps or in minutes"),
        ({"steps": None}, "either in steps or in minutes"),
        ({"steps": None, "minutes": 1.0, "deterministic": True}, "deterministic needs steps"),
        ({"data": "no/such/folder"}, "holds no manifest.json"),
        ({"checkpoint_minutes": 0.0}, "--checkpoint-minutes must be above 0"),
        ({"samples_every": 0}, "--samples-every must be above 0; to keep no samples, --no-samples"),
    ],
)
def test_bad_arguments_leave_nothing(pretrain, data, tmp_path, arguments, message):
    output = tmp_path / "model"
    with pytest.raises(InputError, match=message):
        pretrain(**{"data": data, "output": str(output), "steps": 6, **arguments})
    assert not output.exists()


@pytest.mark.slow
def test_auto_chooses_once_and_a_plan_writes_nothing(pretrain, data, tmp_path, capsys):
    options = {**SMALL, "preset": "auto", "style": "modern", "data": data}
    assert pretrain(**options, output=str(tmp_path / "planned"), minutes=600.0, plan=True) == {}
    assert not (tmp_path / "planned").exists()
    printed = capsys.readouterr().out
    (chosen,) = re.findall(r"chosen: --preset (\w+) --batch-size ", printed)
    assert f"preset {chosen}, style modern: " in printed
    assert "WARNING: the text repeats" in printed and "ends about" in printed
    with pytest.raises(InputError, match="give --minutes or --hours"):
        pretrain(**options, output=str(tmp_path / "steps"), steps=3)
    metrics = pretrain(**options, output=str(tmp_path / "auto"), minutes=0.05)
    run = json.loads((tmp_path / "auto" / "run" / "run.json").read_text())
    assert run["automatic"] == ["tiny", 8, 4e-3] and run["model"]["num_layers"] == 2
    capsys.readouterr()
    assert pretrain(**options, output=str(tmp_path / "auto"), minutes=0.05) == metrics
    assert "measuring" not in capsys.readouterr().out


def test_a_damaged_shard_is_named_before_anything_is_written(pretrain, data, tmp_path):
    damaged = shutil.copytree(data, tmp_path / "damaged")
    shard = damaged / "training-00000.tfrecord"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0x40
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"training-00000\.tfrecord"):
        pretrain(data=str(damaged), output=str(tmp_path / "model"), steps=6, **SMALL)
    assert not (tmp_path / "model").exists()


def test_ctrl_c_saves_and_the_same_command_continues(data, tmp_path, monkeypatch, capsys):
    command = [
        "--data",
        data,
        "--output",
        tmp_path / "model",
        "--preset",
        "tiny",
        "--length",
        "16",
        "--batch-size",
        "8",
    ]
    command += ["--steps", "60"]
    begin_step, begun = TrainingCheckpoint.on_train_batch_begin, []

    def interrupt(self, batch, logs=None):
        begin_step(self, batch, logs)
        begun.append(batch)
        if len(begun) == 1:  # while the first step is being traced
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCheckpoint, "on_train_batch_begin", interrupt)
        assert run_recipe("pretrain", *command, "--no-samples") == 130
    stopped = capsys.readouterr().err.strip().splitlines()[-1]
    assert stopped.startswith("stopped: step ") and stopped.endswith("the same command again continues from there")
    assert not (tmp_path / "model" / "config.json").exists()
    assert run_recipe("pretrain", *command, "--no-samples") == 0
    printed = capsys.readouterr().out
    assert ", from step " in printed and json.loads((tmp_path / "model/metrics.json").read_text())["steps"] == 60
    # Both starts are noted, and no sentence of the corpus is kept.
    run = tmp_path / "model" / "run"
    assert len(json.loads((run / "run.json").read_text())["starts"]) == 2
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "data.json", "logs", "run.json"]
    assert not any(b"[MASK]" in path.read_bytes() for path in run.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_run_that_grows_its_rows_continues_among_the_long_ones(pretrain, data, tmp_path, monkeypatch, capsys):
    options = {**SMALL, "data": data, "steps": 20, "final_length": 32, "learning_rate": 1e-2, "masking": "span",
               "mask_selection_rate": 0.3, "final_mask_selection_rate": 0.1, "replacements": "unigram"}  # fmt: skip
    # A checkpoint after every step, and what a death after the first of the long rows would leave on the disk.
    every_step = property(lambda self: 0.0, lambda self, value: None)
    monkeypatch.setattr(TrainingCheckpoint, "every_seconds", every_step, raising=False)
    after_step = TrainingCheckpoint.on_train_batch_end

    def keep(self, batch, logs=None):
        after_step(self, batch, logs)
        if self.budget.step == 19:
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCheckpoint, "on_train_batch_end", keep)
        whole = pretrain(output=str(tmp_path / "whole"), **options)
    assert "rows of 32 tokens from step 18 on" in capsys.readouterr().out and whole["steps"] == 20
    checkpoints = Path("run") / "checkpoints"
    assert max(path.stem for path in (tmp_path / "killed" / checkpoints).iterdir()) == "step-00000019"
    pretrain(output=str(tmp_path / "killed"), **options)
    printed = capsys.readouterr().out
    assert "rows an epoch, from step 19" in printed and "rows of 32 tokens from step 19 on" in printed
    last = checkpoints / "step-00000020.npz"
    with np.load(tmp_path / "whole" / last) as one, np.load(tmp_path / "killed" / last) as two:
        for name in set(one.files) - {"state.json"}:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-5, atol=1e-6, err_msg=name)


def swap_two_shards(folder: str) -> str:
    """Exchange two training shards and their entries in the manifest; return the name of one of them."""
    path = tf.io.gfile.join(folder, "manifest.json")
    with tf.io.gfile.GFile(path) as file:
        manifest = json.loads(file.read())
    entries = manifest["splits"]["training"]["shards"]
    first, second = 0, 1
    names = [entries[index]["file"] for index in (first, second)]
    contents = []
    for name in names:
        with tf.io.gfile.GFile(tf.io.gfile.join(folder, name), "rb") as file:
            contents.append(file.read())
    for name, content in zip(names, reversed(contents), strict=True):
        tf.io.gfile.remove(tf.io.gfile.join(folder, name))  # ram:// writes on where a file is
        with tf.io.gfile.GFile(tf.io.gfile.join(folder, name), "wb") as file:
            file.write(content)
    entries[first], entries[second] = ({**entries[second], "file": names[0]}, {**entries[first], "file": names[1]})
    tf.io.gfile.remove(path)
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(manifest))
    return names[0]


def to_memory(folder: str, name: str) -> str:
    """Copy a folder to a file system that is not a disk and return its path there."""
    remote = f"ram://pretrain/{name}"
    tf.io.gfile.makedirs(remote)
    for path in Path(folder).iterdir():
        with tf.io.gfile.GFile(f"{remote}/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    return remote


@pytest.mark.parametrize("remote", [False, True], ids=["local", "ram"])
def test_a_changed_shard_is_refused_by_name(pretrain, finished, data, tmp_path, remote):
    changed = to_memory(data, "changed") if remote else str(shutil.copytree(data, tmp_path / "data"))
    # The data is the same wherever it lies.
    assert pretrain(data=changed, output=str(finished[0]), steps=6, **SMALL) == finished[1]
    name = swap_two_shards(changed)
    with pytest.raises(InputError, match=rf"data\.shards\.{name} "):
        pretrain(data=changed, output=str(finished[0]), steps=6, **SMALL)


@pytest.mark.slow
def test_a_run_on_remote_storage_stops_and_goes_on(pretrain, data, capsys):
    remote, output = to_memory(data, "data"), "ram://pretrain/model"

    def interrupt() -> None:
        while not tf.io.gfile.exists(f"{output}/run/samples.jsonl"):  # written during the run
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Thread(target=interrupt)
    timer.start()
    options = {**SMALL, "data": remote, "output": output, "steps": 2000, "samples_every": 20}
    with pytest.raises(Interrupted, match="is saved in ram://pretrain/model/run/checkpoints"):
        pretrain(**options)
    timer.join()
    (newest,) = [name for name in tf.io.gfile.listdir(f"{output}/run/checkpoints") if name.endswith(".npz")]
    capsys.readouterr()
    with pytest.raises(InputError, match=r"pretraining\.steps 2000 \(now 2001\)"):
        pretrain(**{**options, "steps": 2001})
    name = swap_two_shards(remote)
    with pytest.raises(InputError, match=rf"data\.shards\.{name} "):
        pretrain(**options)
    swap_two_shards(remote)
    assert pretrain(**options)["steps"] == 2000
    assert f", from step {int(newest[5:-4]):,}" in capsys.readouterr().out
    steps = [line["step"] for line in read_samples(f"{output}/run/samples.jsonl")]
    assert steps == sorted(set(steps)) and steps[0] == 20 and steps[-1] == 2000


def test_a_run_of_the_first_version_is_known(pretrain, finished, data, tmp_path):
    output = shutil.copytree(finished[0], tmp_path / "model")
    run = json.loads((output / "run" / "run.json").read_text())
    del run["data"]["shards"]
    run["pretraining"].pop("precision", None)  # of a CPU that multiplies in bfloat16
    assert set(run["pretraining"]) == {
        "length", "batch_size", "masking", "mask_selection_rate", "mask_selection_length", "next_sentence",
        "learning_rate", "warmup", "weight_decay", "clip_norm", "steps", "minutes", "seed", "deterministic",
    }  # fmt: skip
    (output / "run" / "run.json").write_text(json.dumps(run))
    assert pretrain(data=data, output=str(output), steps=6, **SMALL) == finished[1]
