"""Trained on JAX in a process without TensorFlow, a model folder for TensorFlow."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recipe_runs import write_corpus

from keras_mlm.config import PretrainingConfig
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.model_folder import load_model

RECIPES = Path(__file__).parents[2] / "recipes"
WORDS = ["stent", "vein"]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, str(RECIPES / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.parametrize("style", ["classic", "modern"])
def test_batches_are_read_as_they_were_written(style, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES / "benchmarks"))
    train_on_jax = importlib.import_module("train_on_jax")
    training = PretrainingConfig.from_style(style, length=16, batch_size=4, steps=9)
    rows = PretrainingDataset.from_config(write_corpus(tmp_path / "data", WORDS), training).batches().take(3)
    path = str(tmp_path / "rows.npz.xz")
    train_on_jax.write_batches(path, rows)
    read, written = train_on_jax.read_batches(path), list(rows.as_numpy_iterator())
    assert len(read) == len(written) == 3
    for batches in zip(read, written, strict=True):
        for there, here in zip(*batches, strict=True):
            assert set(there) == set(here)
            for name, array in here.items():
                assert there[name].dtype == array.dtype
                np.testing.assert_array_equal(there[name], array, err_msg=name)


@pytest.mark.slow
def test_what_jax_learned_is_a_model_folder_unless_tensorflow_answers_otherwise(tmp_path):
    work, output = tmp_path / "work", tmp_path / "model"
    data = write_corpus(tmp_path / "data", WORDS)
    script, places = "benchmarks/train_on_jax.py", ("--work", work, "--data", data, "--output", output)
    sizes = ("--preset", "tiny", "--length", "32", "--batch-size", "8", "--steps", "60", "--masked-epochs", "1")
    done = run(script, *places, *sizes, "--precision", "float32")
    assert not done.returncode, done.stderr
    assert "60 of 60" in done.stdout and "apart" in done.stdout
    assert load_model(str(output)).config.num_layers == 2
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["steps"] == 60 and metrics["masked_lm_accuracy"] > 0.2  # one of two words, of 33 tokens

    before = (output / "model.weights.h5").read_bytes()
    with np.load(work / "answers.npz") as answers:
        others = {name: answers[name] + np.float32(0.01) * (name == "masked_lm") for name in answers.files}
    np.savez(work / "answers.npz", **others)
    done = run(script, *places, "--part", "model")
    assert done.returncode == 1 and "the model is not written" in done.stderr
    assert (output / "model.weights.h5").read_bytes() == before
