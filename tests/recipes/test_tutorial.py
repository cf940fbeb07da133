"""The tutorial's commands, from text to an answer of the exported model; test_repository compares the languages."""

import re
import shlex
from pathlib import Path

import pytest
from recipe_runs import run_recipe

ROOT = Path(__file__).parents[2]
# What the test does not run: it has an environment, and it has no Docker. Anything else is run.
LEFT_OUT = ("make environment", "source .venv/bin/activate", "pip install ", "docker run ",
            "python recipes/serving/rest_client.py ")  # fmt: skip
# The tutorial's own sizes, and those of the test.
SMALLER = {"12000": "2500", "--minutes 2 ": "--minutes 0.1 ", "--epochs 10 ": "--epochs 1 "}
HERE_DOCUMENT = re.compile(r"python - <<'EOF'\n(.*)EOF\n", re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    text = (ROOT / "recipes" / "TUTORIAL.md").read_text(encoding="utf-8")
    return re.findall(r"^```(bash|python)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_only_what_needs_docker_or_installs_is_left_out():
    code = "\n".join(code for _, code in blocks())
    assert len([line for line in code.splitlines() if line.startswith(LEFT_OUT)]) == len(LEFT_OUT)
    assert all(code.count(size) == 1 for size in SMALLER)


@pytest.mark.slow
def test_every_command_runs_and_the_exported_model_answers(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    ran = []
    for language, code in blocks():
        for size, smaller in SMALLER.items():
            code = code.replace(size, smaller)
        if language == "python" or HERE_DOCUMENT.fullmatch(code):
            exec(compile(HERE_DOCUMENT.sub(r"\1", code), "TUTORIAL.md", "exec"), {"__name__": "__main__"})
            continue
        for line in code.splitlines():
            if line.startswith(LEFT_OUT):
                continue
            python, recipe, *arguments = shlex.split(line)
            assert python == "python" and Path(recipe).parent == Path("recipes")
            assert run_recipe(Path(recipe).stem, *arguments) == 0, capsys.readouterr().err
            ran.append(Path(recipe).stem)
    assert ran == ["prepare_corpus", "pretrain", "fill_mask", "finetune_classifier", "export"]
    said = capsys.readouterr().out
    assert (tmp_path / "saved_models/python/report.html").is_file()
    assert "Return the [MASK] of the list." in said
    # A label and its probability for each of the two texts, from the SavedModel.
    topics = {line.split("\t")[0] for line in (tmp_path / "data/tutorial/train.tsv").read_text().splitlines()}
    answers = re.findall(r"^(\w+) +([0-9.]+)%  (?:Schedule a coroutine|Return the widget)", said, re.MULTILINE)
    assert len(answers) == 2
    assert all(label in topics and float(share) >= 100 / len(topics) for label, share in answers)
