import importlib.util
import json
import random
from pathlib import Path

import pytest

from keras_mlm import command_line
from keras_mlm.config import BertConfig
from keras_mlm.model_folder import load_model, save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

RECIPE = Path(__file__).parents[2] / "recipes" / "finetune_classifier.py"
WORDS = {"water": ["river", "lake", "rain"], "stone": ["rock", "sand", "hill"]}
VOCABULARY = [*SPECIAL_TOKENS, "the", *WORDS["water"], *WORDS["stone"]]


def run(*arguments):
    spec = importlib.util.spec_from_file_location("recipe_finetune_classifier", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(SystemExit) as ended:
        command_line.run(module.finetune_classifier, arguments=[str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 16, "intermediate_dim": 16, "max_sequence_length": 16}
    save_model(
        BertPretrainer(BertConfig(len(VOCABULARY), **sizes), tokenizer=WordPieceTokenizer(VOCABULARY)), str(folder)
    )
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("texts"), random.Random(1)
    for name, count in (("train", 240), ("test", 40)):
        rows = []
        for _ in range(count):
            label = draw.choice(sorted(WORDS))
            rows.append(f"{label}\t{' '.join(['the', *draw.choices(WORDS[label], k=draw.randint(1, 6))])}\n")
        (folder / f"{name}.tsv").write_text("".join(rows))
    return folder


def test_what_it_learns_is_kept_and_the_same_command_again_only_shows_it(model, texts, tmp_path, capsys):
    command = ["--model", model, "--train", texts / "train.tsv", "--test", texts / "test.tsv", "--length", "16",
               "--epochs", "6", "--learning-rate", "0.01", "--seeds", "2", "--output", tmp_path / "topics",
               "--predictions", tmp_path / "answers.tsv"]  # fmt: skip
    assert run(*command) == 0
    shown = capsys.readouterr().out
    assert "val_accuracy" in shown and "macro avg" in shown
    metrics = json.loads((tmp_path / "topics/metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.9 and "test_accuracy_deviation" in metrics
    answers = [line.split("\t") for line in (tmp_path / "answers.tsv").read_text().splitlines()]
    examples = [line.split("\t") for line in (texts / "test.tsv").read_text().splitlines()]
    assert [answer[0] for answer in answers] == [example[0] for example in examples]
    loaded = load_model(str(tmp_path / "topics"))
    assert loaded.predict_texts([example[1] for example in examples]).labels == [answer[1] for answer in answers]

    before = (tmp_path / "topics/model.weights.h5").read_bytes()
    assert run(*command) == 0 and "finished" in capsys.readouterr().out
    assert run(*command, "--dropout", "0.2") == 2 and "dropout" in capsys.readouterr().err
    assert (tmp_path / "topics/model.weights.h5").read_bytes() == before

    (tmp_path / "other.tsv").write_text("a\tthe river\nb\tthe hill\n" * 9)
    assert run("--model", tmp_path / "topics", "--train", tmp_path / "other.tsv", "--dev", tmp_path / "other.tsv",
               "--length", "16", "--output", tmp_path / "x") == 2  # fmt: skip
    assert "other labels: stone, water" in capsys.readouterr().err
    assert run("--model", tmp_path / "topics", "--train", texts / "train.tsv", "--length", "16", "--epochs", "1",
               "--output", tmp_path / "again") == 0  # fmt: skip


def test_from_scratch_with_the_vocabulary_of_a_data_folder(texts, tmp_path):
    WordPieceTokenizer(VOCABULARY).save(str(tmp_path / "data"))
    assert run("--from-scratch", "tiny", "--data", tmp_path / "data", "--train", texts / "train.tsv", "--epochs", "1",
               "--length", "16", "--output", tmp_path / "m") == 0  # fmt: skip
    assert load_model(str(tmp_path / "m")).classes == ["stone", "water"]


@pytest.mark.parametrize(
    ("dev", "options", "words"),
    [
        ("fire\tthe river\n", [], "labels that training has not: 'fire' (line 1)"),
        ("water\tthe river\nwater\n", [], "line 2: 1 columns where the first line has 2"),
        ("water\t\n", [], "line 1: the text is empty"),
        ("water\tthe river\n", ["--label", "topic"], "no column 'topic'"),
        ("water\tthe river\n", ["--length", "64"], "length must be between 8 and the encoder's 16"),
        ("water\tthe river\n", ["--from-scratch", "tiny"], "either --model FOLDER, or --from-scratch"),
        ("water\tthe river\n", ["--epochs", "0"], "--epochs"),
        ("water\tthe river\n", ["--predictions", "absent/answers.tsv"], "no such folder"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(model, texts, tmp_path, capsys, dev, options, words):
    (tmp_path / "dev.tsv").write_text(dev)
    options = options if "--length" in options else [*options, "--length", "16"]
    assert run("--model", model, "--train", texts / "train.tsv", "--dev", tmp_path / "dev.tsv",
               "--output", tmp_path / "m", *options) == 2  # fmt: skip
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert words in line
    assert not (tmp_path / "m").exists()
