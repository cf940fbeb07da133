import json
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keras_mlm
from keras_mlm.errors import InputError
from keras_mlm.training.provenance import provenance
from keras_mlm.training.run_folder import RunFolder

SETTINGS = {"model": {"num_layers": 2}, "pretraining": {"learning_rate": 0.001, "steps": 10}, "data": {"tokens": 9}}


def test_an_unfinished_run_continues_and_a_finished_one_returns_its_figures(tmp_path):
    run = RunFolder(str(tmp_path / "model"))
    assert run.find(SETTINGS) is None
    assert not (tmp_path / "model").exists()
    run.begin(SETTINGS)
    assert run.find(SETTINGS) is None
    run.finish({"perplexity": 12.5})
    assert run.find(SETTINGS) is None  # the model itself is not there
    (tmp_path / "model" / "config.json").write_text("{}")
    assert run.find(SETTINGS) == {"perplexity": 12.5}


def test_other_settings_are_refused_with_the_difference(tmp_path):
    other = {**SETTINGS, "pretraining": {"learning_rate": 0.002, "minutes": 4.0}, "data": {"tokens": 12}}
    run = RunFolder(str(tmp_path))
    run.begin(SETTINGS)
    assert run.find(other) is None  # nothing has been learned yet
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "step-00000001.npz").touch()
    with pytest.raises(InputError) as caught:
        run.find(other)
    message = str(caught.value)
    for part in (
        "pretraining.learning_rate 0.001 (now 0.002)",
        "pretraining.steps 10 (now absent)",
        "pretraining.minutes absent (now 4.0)",
        "data.tokens 9 (now 12)",
        "another --output",
    ):
        assert part in message
    assert "num_layers" not in message and "\n" not in message


def test_a_run_knows_how_it_was_started_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "recipes/pretrain.py", "--data", "my data", "--seed", "3"])
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    for name in ("SECRET", "TF_VAR_password"):
        monkeypatch.setenv(name, "hidden")
    run = RunFolder(str(tmp_path))
    run.begin(SETTINGS)
    run.begin(SETTINGS)
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    first, second = stored["starts"]
    assert shlex.split(second["command"]) == sys.orig_argv and first["command"].count("'my data'") == 1
    assert first["directory"] == str(Path.cwd())
    assert first["versions"]["python"] == platform.python_version()
    assert first["versions"]["keras_mlm"] == keras_mlm.__version__
    assert first["versions"]["tensorflow"].count(".") == 2 and first["versions"]["tensorflow-text"]
    assert first["environment"]["TF_ENABLE_ONEDNN_OPTS"] == "1" and "hidden" not in json.dumps(stored)
    assert first["devices"] and first["system"] and time.strptime(first["time"], "%Y-%m-%dT%H:%M:%SZ")
    # What was started is not what is learned.
    assert run.settings() == SETTINGS
    run.finish({"perplexity": 3.0})
    (tmp_path / "config.json").touch()
    monkeypatch.setattr(sys, "orig_argv", ["other"])
    assert run.find(SETTINGS) == {"perplexity": 3.0}
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["starts"]) == 2


def test_settings_that_were_replaced_take_their_starts_along(tmp_path):
    run = RunFolder(str(tmp_path))
    run.begin(SETTINGS)
    run.begin({**SETTINGS, "data": {"tokens": 12}})
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["starts"]) == 1


def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
    package = tmp_path / "keras_mlm" / "__init__.py"
    monkeypatch.setattr(keras_mlm, "__file__", str(package))
    assert provenance()["commit"] is None  # installed
    package.parent.mkdir()
    package.touch()
    settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "."], [*settings, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    commit = provenance()["commit"]
    assert len(commit) == 40
    package.write_text("changed")
    assert provenance()["commit"] == commit + "-dirty"
    monkeypatch.setenv("PATH", "")
    assert provenance()["commit"] is None


def test_what_the_first_version_noted_does_not_count(tmp_path):
    run = RunFolder(str(tmp_path))
    run.begin(SETTINGS)
    path = tmp_path / "run" / "run.json"
    stored = json.loads(path.read_text())
    del stored["starts"]
    path.write_text(json.dumps({**stored, "versions": {"keras": "3.15.1"}}))
    (tmp_path / "config.json").touch()
    assert run.find(SETTINGS) is None
    run.begin(SETTINGS)
    assert len(json.loads(path.read_text())["starts"]) == 1


def test_a_foreign_model_and_a_damaged_note_are_refused(tmp_path):
    run = RunFolder(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a model that was not trained there"):
        run.find(SETTINGS)
    (tmp_path / "run").mkdir()
    for content in ("", "[]", "{}", '{"format_version": "x"}'):
        (tmp_path / "run" / "run.json").write_text(content)
        with pytest.raises(InputError, match="damaged"):
            run.find(SETTINGS)
    (tmp_path / "run" / "run.json").write_text('{"format_version": 99}')
    with pytest.raises(InputError, match="later version"):
        run.find(SETTINGS)
