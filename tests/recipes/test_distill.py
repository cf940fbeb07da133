"""From a large model and a text to a small one that answers as it does, through the recipe."""

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
from recipe_runs import RECIPES, recipe, save_small_model, write_corpus

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.model_folder import load_model, save_model
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SMALL = {"length": 16, "batch_size": 8}


@pytest.fixture(scope="module")
def distill():
    return recipe("distill")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "data", ["red", "green", "blue", "sky", "sea", "tree"])


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory) -> str:
    """A model of three layers that reads pairs and has dropout."""
    vocabulary = WordPieceTokenizer.load(data).vocabulary
    return str(save_small_model(tmp_path_factory.mktemp("teacher") / "large", vocabulary, num_layers=3))


@pytest.fixture(scope="module")
def finished(distill, data, teacher, tmp_path_factory):
    output = tmp_path_factory.mktemp("saved_models") / "small"
    return output, distill(teacher=teacher, data=data, output=str(output), steps=6, **SMALL)


def test_what_a_run_leaves_is_an_ordinary_model(finished, teacher):
    output, metrics = finished
    assert json.loads((output / "metrics.json").read_text()) == metrics
    student, large = load_model(str(output)), load_model(teacher)
    assert type(student).__name__ == "BertPretrainer" and not student.config.next_sentence
    assert (student.config.num_layers, student.config.hidden_dim) == (2, 16)
    assert len(student.fill_mask("red [MASK] blue")[0][0]) == 5
    assert (metrics["parameters"], metrics["teacher_parameters"]) == (student.count_params(), large.count_params())
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["masked_lm_loss"]), rel=1e-4)
    assert {"soft_loss", "hidden_loss", "teacher_perplexity"} <= metrics.keys() and metrics["steps"] == 6
    # Small steps from the teacher's own weights.
    there = {variable.path: np.asarray(variable) for variable in large.weights}
    moved = [np.abs(np.asarray(variable) - there[variable.path.replace("block_1/", "block_2/")]).max()
             for variable in student.weights]  # fmt: skip
    assert 0 < max(moved) < 1e-2
    run = json.loads((output / "run" / "run.json").read_text())
    assert run["pretraining"]["learning_rate"] == 1e-4 and not run["pretraining"]["next_sentence"]
    assert len(run["distillation"]["teacher_weights_hash"]) == 64 and run["distillation"]["temperature"] == 2.0
    with np.load(output / "run" / "checkpoints" / "step-00000006.npz") as checkpoint:
        kept = [name for name in checkpoint.files if name.startswith("model-")]
    assert len(kept) == len(student.variables), "the student alone"
    assert "teacher_weights_hash" in (output / "README.md").read_text()
    page = (output / "report.html").read_text()
    assert ">Distillation<" in page and "perplexity of the teacher" in page and "was masked" in page


def test_the_same_command_gives_the_result_and_another_teacher_is_another_run(
    distill, finished, data, teacher, tmp_path, capsys
):
    output, metrics = finished
    moved = str(shutil.copytree(teacher, tmp_path / "moved"))
    options = {"data": data, "output": str(output), "steps": 6, **SMALL}
    assert distill(teacher=moved, **options) == metrics  # it is known by its weights, wherever it lies
    assert "is finished" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"distillation\.temperature 2\.0 \(now 3\.0\)"):
        distill(teacher=teacher, **options, temperature=3.0)
    other = save_small_model(tmp_path / "other", WordPieceTokenizer.load(data).vocabulary, num_layers=3, seed=1)
    with pytest.raises(InputError, match=r"distillation\.teacher_weights_hash"):
        distill(teacher=str(other), **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"student": "huge"}, "unknown student 'huge'; known are half, tiny, mini"),
        ({"length": 32}, "rows of 32 tokens do not fit the teacher's 16 positions"),
        ({"minutes": 1.0}, "either in steps or in minutes"),
        ({"teacher": "no/such/folder"}, "no/such/folder is no model folder"),
        ({"temperature": -1.0}, "temperature must be above 0"),
        ({"hidden_weight": -1.0}, "hidden_weight must be 0 or more"),
        ({"checkpoint_minutes": 0.0}, "--checkpoint-minutes must be above 0"),
    ],
)
def test_bad_arguments_leave_nothing(distill, data, teacher, tmp_path, arguments, message):
    output = tmp_path / "model"
    with pytest.raises(InputError, match=message):
        distill(**{"teacher": teacher, "data": data, "output": str(output), "steps": 6, **SMALL, **arguments})
    assert not output.exists()


def test_the_teachers_own_folder_stays_as_it_is(distill, data, teacher):
    before = (Path(teacher) / "model.weights.h5").read_bytes()
    with pytest.raises(InputError, match="is the teacher's own folder"):
        distill(teacher=teacher, data=data, output=f"{teacher}/../large", steps=6, **SMALL)
    assert (Path(teacher) / "model.weights.h5").read_bytes() == before


def test_models_that_cannot_teach_are_refused(distill, data, tmp_path):
    vocabulary = WordPieceTokenizer.load(data).vocabulary
    config = BertConfig(len(vocabulary), num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8)
    tokenizers = {
        "other": WordPieceTokenizer(vocabulary[::-1]),
        "cased": WordPieceTokenizer(vocabulary, lowercase=False),
    }
    for name, tokenizer in tokenizers.items():
        save_small_model(tmp_path / name, vocabulary)
        model = load_model(str(tmp_path / name))
        model.tokenizer = tokenizer
        shutil.rmtree(tmp_path / name)
        save_model(model, str(tmp_path / name))
        with pytest.raises(InputError, match=rf"another vocabulary, case or normalisation than .*{name} has: prepare"):
            distill(teacher=str(tmp_path / name), data=data, output=str(tmp_path / "model"), steps=6, **SMALL)
    classifier = BertTextClassifier(config, ["a", "b"], WordPieceTokenizer(vocabulary), length=16)
    save_model(classifier, str(tmp_path / "classifier"))
    with pytest.raises(InputError, match="holds a BertTextClassifier; this needs a pre-trained model"):
        distill(teacher=str(tmp_path / "classifier"), data=data, output=str(tmp_path / "model"), steps=6, **SMALL)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_bits(data, tmp_path):
    vocabulary = WordPieceTokenizer.load(data).vocabulary
    # Compiled by XLA; narrower than its student, which starts from random weights and needs a projection.
    entries = {"num_layers": 2, "norm": "pre", "position": "rotary", "dropout": 0.0}
    large = save_small_model(tmp_path / "large", vocabulary, **entries)

    def start(name):
        command = [sys.executable, str(RECIPES / "distill.py"), "--teacher", large, "--data", data, "--length", "16"]
        command += ["--batch-size", "8", "--steps", "300", "--deterministic", "--student", "tiny"]
        command += ["--output", tmp_path / name]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(list(map(str, command)), env=environment, stdout=pipe, stderr=pipe, text=True)

    whole, stopped = start("whole"), start("stopped")
    for line in stopped.stderr:
        if "first step" in line:
            break
    time.sleep(0.5)
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(timeout=200) == 130
    again = start("stopped")
    assert "; from step " in again.communicate(timeout=200)[0] and again.returncode == 0
    printed = whole.communicate(timeout=200)[0]
    assert whole.returncode == 0 and "from random weights" in printed
    assert "WARNING: the student is not smaller than its teacher" in printed
    checkpoint = Path("run") / "checkpoints" / "step-00000300.npz"
    with np.load(tmp_path / "whole" / checkpoint) as one, np.load(tmp_path / "stopped" / checkpoint) as two:
        names = [name for name in one.files if name != "state.json"]
        assert len(names) > 30
        for name in names:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)
