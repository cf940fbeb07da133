import json
import random

import pytest
from recipe_runs import run_recipe, save_small_model

from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

WORDS = {"water": ["river", "lake", "rain"], "stone": ["rock", "sand", "hill"]}


def run(*arguments):
    return run_recipe("baselines", *arguments)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("texts"), random.Random(1)
    rows = []
    for _ in range(300):
        label = draw.choice(sorted(WORDS))
        rows.append(f"{label}\t{' '.join(['the', *draw.choices(WORDS[label], k=draw.randint(1, 6))])}\n")
    (folder / "train.tsv").write_text("".join(rows))
    vocabulary = [*SPECIAL_TOKENS, "the", *WORDS["water"], *WORDS["stone"]]
    save_small_model(folder / "small", vocabulary)
    return folder


def test_one_command_gives_one_table_and_goes_on(texts, tmp_path, capsys):
    command = [
        "--train",
        texts / "train.tsv",
        "--test-percent",
        "20",
        "--results",
        tmp_path / "cells.json",
        "--length",
        "16",
    ]
    assert run(*command, "--only", "majority", "naive bayes", "linear svm") == 0
    shown = capsys.readouterr().out
    assert "naive bayes" in shown and "ms an example" in shown
    before = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert before["linear svm"]["0"]["accuracy"] == 1.0 > before["majority"]["0"]["accuracy"]

    more = [
        "--models",
        texts / "small",
        "--only",
        "linear svm",
        "bert small",
    ]
    assert run(*command, *more) == 0
    after = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert {name: after[name] for name in before} == before  # not measured again, not even their seconds
    assert set(after["bert small"]) == {"0"}
    assert after["bert small"]["0"]["accuracy"] > 0.9
    assert "bert small" in capsys.readouterr().out

    assert run(*command[:2], "--results", tmp_path / "cells.json") == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.slow
def test_tags_with_and_without_spans(texts, tmp_path, capsys):
    draw = random.Random(2)
    tags = {word: tag for tag, words in WORDS.items() for word in words}
    for spans in (False, True):
        rows = []
        for _ in range(200):
            words = draw.choices(sorted(tags), k=draw.randint(2, 6))
            rows += [f"{word}\t{('B-' if spans else '') + tags[word]}\n" for word in words] + ["\n"]
        (tmp_path / "tags.tsv").write_text("".join(rows))
        results = tmp_path / f"{spans}.json"
        command = [
            "--task",
            "tags",
            "--train",
            tmp_path / "tags.tsv",
            "--test",
            tmp_path / "tags.tsv",
            "--length",
            "16",
        ]
        systems = ["cnn", "bert small", "bert small from random weights"]
        assert run(*command, "--models", texts / "small", "--only", *systems, "--results", results) == 0
        cells = json.loads(results.read_text())["cells"]
        assert list(cells) == ["cnn", "bert small from random weights", "bert small"]
        for figures in (found["0"] for found in cells.values()):
            assert next(iter(figures)) == ("f1" if spans else "accuracy")
            assert figures["accuracy"] > 0.95
    assert "judged on dev" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "prophet"], "no system prophet; there are majority"),
        (["--unlabelled", "a.txt", "--vectors", "b.txt"], "not both"),
        (["--vectors", "b.txt", "--exclude", "a.tsv"], "--exclude is for the text of --unlabelled"),
        (["--models", "absent"], "absent is no model folder"),
        (["--task", "tags", "--pair", "3"], "for texts"),
        (["--vectors", "absent.txt"], "absent.txt does not exist"),
    ],
)
def test_bad_input_is_one_line(texts, tmp_path, capsys, options, words):
    assert run("--train", texts / "train.tsv", "--results", tmp_path / "cells.json", *options) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert words in line
    assert not (tmp_path / "cells.json").exists()
