"""The three recipes that take a trained model, called as their command lines call them."""

import importlib.util
import json
from pathlib import Path

import pytest

from keras_mlm import command_line
from keras_mlm.model_folder import save_model

RECIPES = Path(__file__).parents[2] / "recipes"


def run(recipe, *arguments):
    """Return the exit code."""
    spec = importlib.util.spec_from_file_location(f"recipe_{recipe}", RECIPES / f"{recipe}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(SystemExit) as ended:
        command_line.run(getattr(module, recipe), arguments=list(arguments))
    return ended.value.code


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_model(model, str(path), metrics={"steps": 3})
    return str(path)


def test_evaluate_prints_a_table_and_adds_to_metrics_and_card(folder, corpus, capsys):
    assert run("evaluate", "--model", folder, "--data", corpus, "--batch-size", "16") == 0
    metrics = json.loads(Path(folder, "metrics.json").read_text())
    assert metrics["steps"] == 3
    assert {
        "perplexity", "unigram_perplexity", "neighbour_perplexity", "masked_lm_accuracy", "next_sentence_accuracy",
        "cloze_sentences", "cloze_top1", "cloze_top5",
    } <= set(metrics)  # fmt: skip
    shown = capsys.readouterr().out
    assert f"{metrics['unigram_perplexity']:,.4g}" in shown
    assert f"| cloze_top5 | {metrics['cloze_top5']} |" in Path(folder, "README.md").read_text()


def test_evaluate_refuses_another_vocabulary(folder, capsys, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    assert run("evaluate", "--model", folder, "--data", str(tmp_path)) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_fill_mask_prints_every_mask_of_every_text(folder, model, capsys):
    texts = ["worda [MASK] .", "[MASK] , [MASK] 中"]
    assert run("fill_mask", "--model", folder, "--top-k", "2", *texts) == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in texts)
    for masks in model.fill_mask(texts, top_k=2):
        for candidates in masks:
            for candidate in candidates:
                assert f"{candidate.score:.1%}  {candidate.token}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "give a text"), (["no mask here"], "no mask here"), (["[MASK]", "--top-k", "0"], "top_k")],
)
def test_fill_mask_says_what_is_missing_in_one_line(folder, capsys, arguments, message):
    assert run("fill_mask", "--model", folder, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_without_model_is_named(capsys, tmp_path):
    assert run("fill_mask", "--model", str(tmp_path), "[MASK]") == 2
    assert "config.json is missing" in capsys.readouterr().err


def test_export_writes_the_next_number_and_refuses_an_existing_one(folder, capsys):
    assert run("export", "--model", folder, "--length", "24") == 0
    path = capsys.readouterr().out.strip()
    assert path == str(Path(folder, "1"))
    assert Path(path, "saved_model.pb").is_file()
    assert run("export", "--model", folder, "--version", "1") == 2
    assert "exists" in capsys.readouterr().err
