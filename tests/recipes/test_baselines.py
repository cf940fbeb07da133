import importlib.util
import json
import random
from pathlib import Path

import pytest

from keras_mlm import command_line
from keras_mlm.config import BertConfig
from keras_mlm.model_folder import save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

RECIPE = Path(__file__).parents[2] / "recipes" / "baselines.py"
WORDS = {"water": ["river", "lake", "rain"], "stone": ["rock", "sand", "hill"]}


def run(*arguments):
    spec = importlib.util.spec_from_file_location("recipe_baselines", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(SystemExit) as ended:
        command_line.run(module.baselines, arguments=[str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("texts"), random.Random(1)
    rows = []
    for _ in range(300):
        label = draw.choice(sorted(WORDS))
        rows.append(f"{label}\t{' '.join(['the', *draw.choices(WORDS[label], k=draw.randint(1, 6))])}\n")
    (folder / "train.tsv").write_text("".join(rows))
    vocabulary = [*SPECIAL_TOKENS, "the", *WORDS["water"], *WORDS["stone"]]
    config = BertConfig(len(vocabulary), 1, 1, 16, 16, max_sequence_length=16)
    save_model(BertPretrainer(config, tokenizer=WordPieceTokenizer(vocabulary)), str(folder / "small"))
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
    assert "naive bayes" in shown and "ms a text" in shown
    before = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert before["linear svm"]["0"]["accuracy"] == 1.0 > before["majority"]["0"]["accuracy"]

    more = [
        "--models",
        texts / "small",
        "--only",
        "linear svm",
        "bert from random weights",
        "bert small",
    ]
    assert run(*command, *more) == 0
    after = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert {name: after[name] for name in before} == before  # not measured again, not even their seconds
    assert set(after["bert small"]) == set(after["bert from random weights"]) == {"0"}
    assert after["bert small"]["0"]["accuracy"] > 0.9
    assert "bert small" in capsys.readouterr().out

    assert run(*command[:2], "--results", tmp_path / "cells.json") == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "prophet"], "no system prophet; there are majority"),
        (["--unlabelled", "a.txt", "--vectors", "b.txt"], "not both"),
        (["--models", "absent"], "absent is no model folder"),
    ],
)
def test_bad_input_is_one_line(texts, tmp_path, capsys, options, words):
    assert run("--train", texts / "train.tsv", "--results", tmp_path / "cells.json", *options) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert words in line
    assert not (tmp_path / "cells.json").exists()
