import itertools
import json
import random

import numpy as np
import pytest
from recipe_runs import recipe, run_recipe, save_small_model

from keras_mlm.model_folder import load_model
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

WORDS = {"water": ["river", "lake", "rain"], "stone": ["rock", "sand", "hill"]}
VOCABULARY = [*SPECIAL_TOKENS, "the", *WORDS["water"], *WORDS["stone"]]


def run(*arguments):
    return run_recipe("finetune_classifier", *arguments)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("models") / "small", VOCABULARY)


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
               "--epochs", "6", "--learning-rate", "0.01", "--batch-size", "16",
               "--dropout", "0.1", "--seeds", "2", "--output", tmp_path / "topics",
               "--predictions", tmp_path / "answers.tsv", "--calibrate"]  # fmt: skip
    assert run(*command) == 0
    shown = capsys.readouterr().out
    assert "val_accuracy" in shown and "precision" in shown
    metrics = json.loads((tmp_path / "topics/metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.9 and "test_accuracy_deviation" in metrics
    assert (tmp_path / "topics/confusion.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "topics/report.html").read_text()
    for part in (">finished<", "Accuracy", "Learning rate", "seed 1", "stone", "precision", "of 40 right"):
        assert part in page, part
    answers = [line.split("\t") for line in (tmp_path / "answers.tsv").read_text().splitlines()]
    examples = [line.split("\t") for line in (texts / "test.tsv").read_text().splitlines()]
    assert [answer[0] for answer in answers] == [example[0] for example in examples]
    loaded = load_model(str(tmp_path / "topics"))
    assert loaded.temperature == metrics["temperature"] != 1.0
    assert loaded.predict_texts([example[1] for example in examples]).labels == [answer[1] for answer in answers]

    before = (tmp_path / "topics/model.weights.h5").read_bytes()
    assert run(*command) == 0 and "finished" in capsys.readouterr().out
    assert run(*command, "--dropout", "0.2") == 2 and "dropout" in capsys.readouterr().err
    assert (tmp_path / "topics/model.weights.h5").read_bytes() == before

    (tmp_path / "other.tsv").write_text("a\tthe river\nb\tthe hill\n" * 9)
    assert run("--model", tmp_path / "topics", "--train", tmp_path / "other.tsv", "--dev", tmp_path / "other.tsv",
               "--length", "16", "--output", tmp_path / "x") == 2  # fmt: skip
    assert "other labels: stone, water" in capsys.readouterr().err


def test_what_half_precision_learns_is_kept_and_measured_in_float32(model, texts, tmp_path):
    assert run("--model", model, "--train", texts / "train.tsv", "--test", texts / "test.tsv", "--length", "16",
               "--epochs", "2", "--learning-rate", "0.005", "--batch-size", "32", "--precision", "mixed_bfloat16",
               "--output", tmp_path / "topics", "--predictions", tmp_path / "answers.tsv") == 0  # fmt: skip
    metrics = json.loads((tmp_path / "topics/metrics.json").read_text())
    loaded = load_model(str(tmp_path / "topics"))
    labels, examples = zip(*(line.split("\t") for line in (texts / "test.tsv").read_text().splitlines()), strict=True)
    found = loaded.predict_texts(examples)
    answers = [line.split("\t") for line in (tmp_path / "answers.tsv").read_text().splitlines()]
    assert loaded.compute_dtype == "float32" and found.labels == [answer[1] for answer in answers]
    right = sum(one == other for one, other in zip(labels, found.labels, strict=True))
    assert metrics["test_accuracy"] == pytest.approx(right / 40) and right > 25
    of_label = found.probabilities[range(40), [loaded.classes.index(label) for label in labels]]
    assert metrics["test_loss"] == pytest.approx(-np.log(of_label).mean(), abs=2e-6)  # half precision: 2e-5


def test_a_stopped_run_goes_on_with_the_next_seed(model, texts, tmp_path, monkeypatch, capsys):
    def command(output):
        return ["--model", model, "--train", texts / "train.tsv", "--test-percent", "20", "--length", "16", "--epochs",
                "1", "--seeds", "2", "--class-weights", "balanced", "--output", output]  # fmt: skip

    assert run(*command(tmp_path / "whole")) == 0
    fit, calls = BertTextClassifier.fit, []

    def stopping(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments, **options)

    monkeypatch.setattr(BertTextClassifier, "fit", stopping)
    assert run(*command(tmp_path / "stopped")) == 130
    assert run(*command(tmp_path / "stopped")) == 0
    assert len(calls) == 3  # seeds 0, 1 (stopped), 1
    whole, stopped = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "stopped"))
    assert stopped == pytest.approx(whole, abs=1e-6)


def test_several_labels_and_windows(model, texts, tmp_path, capsys):
    rows = [line.split("\t") for line in (texts / "train.tsv").read_text().splitlines()]
    both = [(f"{a},{b}" if a != b else a, f"{one} {two}") for (a, one), (b, two) in itertools.pairwise(rows)]
    (tmp_path / "train.tsv").write_text("".join(f"{label}\t{text}\n" for label, text in [*both, ("", "the the")]))
    assert run("--model", model, "--train", tmp_path / "train.tsv", "--length", "8", "--long-text", "windows",
               "--label-separator", ",", "--epochs", "8", "--learning-rate", "0.02",
               "--batch-size", "16", "--dropout", "0.1", "--output", tmp_path / "m",
               "--predictions", tmp_path / "answers.tsv") == 0  # fmt: skip
    metrics = json.loads((tmp_path / "m/metrics.json").read_text())
    assert metrics["dev_micro_f1"] > 0.9
    loaded = load_model(str(tmp_path / "m"))
    assert (loaded.long_text, loaded.multi_label) == ("windows", True)
    long = "the river lake rain river lake rain rock sand hill"
    assert sorted(loaded.predict_texts([long]).labels[0]) == ["stone", "water"]
    assert "water" in (tmp_path / "answers.tsv").read_text()


@pytest.mark.slow
def test_an_imported_encoder_is_fine_tuned_and_goes_home_again(model, texts, tmp_path):
    convert = recipe("convert")
    convert(source=str(model), target=f"hf:{tmp_path / 'encoder'}", architecture="BertModel")
    convert(source=f"hf:{tmp_path / 'encoder'}", target=str(tmp_path / "imported"))
    assert run("--model", tmp_path / "imported", "--train", texts / "train.tsv", "--length", "16", "--epochs", "8",
               "--learning-rate", "0.01", "--pooling", "cls", "--output", tmp_path / "topics") == 0  # fmt: skip
    assert json.loads((tmp_path / "topics/metrics.json").read_text())["dev_accuracy"] > 0.9
    figures = convert(source=str(tmp_path / "topics"), target=f"hf:{tmp_path / 'topics_hf'}")
    assert figures["written"]["logits"] == 0.0
    assert json.loads((tmp_path / "topics_hf/config.json").read_text())["id2label"] == {"0": "stone", "1": "water"}
    # And a classifier that came in goes on with its own pooling, not with the default.
    convert(source=f"hf:{tmp_path / 'topics_hf'}", target=str(tmp_path / "back"))
    again = ["--model", tmp_path / "back", "--train", texts / "train.tsv", "--length", "16", "--epochs", "1"]
    assert run(*again, "--output", tmp_path / "again") == 0
    assert load_model(str(tmp_path / "again")).pooling == "cls"
    assert run(*again, "--pooling", "cls_mean_max", "--output", tmp_path / "other") == 2


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
        ("water\tthe river\n", ["--layer-decay", "2"], "--layer-decay"),
        ("water\tthe river\n", ["--class-weights", "fire=2"], "a class that is not in training: stone, water"),
        ("1\tthe river\n", [], "training has names, not numbers"),
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
