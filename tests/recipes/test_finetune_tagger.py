import json
import random

import pytest
from recipe_runs import run_recipe, save_small_model
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

from keras_mlm.data.tagged_words import read_tagged_words
from keras_mlm.model_folder import load_model
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

NAMES, PLACES, OTHERS = ["ada", "alan", "grace"], ["paris", "rome", "oslo"], ["saw", "in", "went", "to", "the"]
CHINESE = {"我": "PRON", "爱": "VERB", "北京": "PROPN", "上海": "PROPN", "大": "ADJ"}
VOCABULARY = [*SPECIAL_TOKENS, *NAMES, *PLACES, *OTHERS, *"我爱北京上海大"]


def run(*arguments):
    return run_recipe("finetune_tagger", *arguments)


def complaint(capsys):
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("models") / "small", VOCABULARY)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("tagged"), random.Random(1)

    def sentence():
        for _ in range(draw.randint(1, 9)):
            kind = draw.choice("PLO")
            if kind == "O":
                yield draw.choice(OTHERS), "O"
                continue
            label, words = ("PER", NAMES) if kind == "P" else ("LOC", PLACES)
            yield draw.choice(words), f"B-{label}"
            if draw.random() < 0.3:
                yield draw.choice(words), f"I-{label}"

    for name, count in (("train", 300), ("test", 60)):
        with (folder / f"{name}.tsv").open("w") as file:
            for _ in range(count):
                file.write("".join(f"{word}\t{tag}\n" for word, tag in sentence()) + "\n")
    with (folder / "pos.tsv").open("w") as file:
        file.write("id\tform\ttag\n")
        for _ in range(200):
            words = draw.choices(list(CHINESE), k=draw.randint(2, 8))
            file.write("".join(f"{n}\t{word}\t{CHINESE[word]}\n" for n, word in enumerate(words)) + "\n")
    return folder


def test_what_it_learns_is_kept_and_its_figures_are_those_of_seqeval_on_its_predictions(model, files, tmp_path, capsys):
    command = ["--model", model, "--train", files / "train.tsv", "--test", files / "test.tsv", "--epochs", "5",
               "--length", "16", "--learning-rate", "0.02", "--output", tmp_path / "entities",
               "--predictions", tmp_path / "answers.tsv"]  # fmt: skip
    assert run(*command) == 0
    shown = capsys.readouterr().out
    assert "val_f1" in shown and "the worst first" in shown and "most frequent confusions" in shown
    assert (tmp_path / "entities/confusion.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((tmp_path / "entities/metrics.json").read_text())
    assert metrics["test_f1"] > 0.6 and "dev_precision" in metrics
    gold = list(read_tagged_words(str(files / "test.tsv")))
    truth, predicted = ([s.tags for s in read_tagged_words(str(tmp_path / "answers.tsv"), label=n)] for n in "23")
    assert truth == [sentence.tags for sentence in gold]
    for name, function in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score),
                           ("accuracy", accuracy_score)):  # fmt: skip
        assert metrics[f"test_{name}"] == pytest.approx(function(truth, predicted), abs=1e-12)
    page = (tmp_path / "entities/report.html").read_text()
    for part in (">finished<", "F1 of spans", "Learning rate", "B-PER", "of the label", "precision"):
        assert part in page, part
    loaded = load_model(str(tmp_path / "entities"))
    assert predicted == loaded.predict_words([sentence.words for sentence in gold]).tags

    before = (tmp_path / "entities/model.weights.h5").read_bytes()
    capsys.readouterr()
    assert run(*command) == 0 and "finished" in capsys.readouterr().out
    assert run(*command, "--dropout", "0.2") == 2 and "dropout" in capsys.readouterr().err
    assert (tmp_path / "entities/model.weights.h5").read_bytes() == before

    (tmp_path / "other.tsv").write_text("saw\tVERB\nthe\tDET\n\nthe\tDET\n" * 9)
    assert run("--model", tmp_path / "entities", "--train", tmp_path / "other.tsv", "--dev", tmp_path / "other.tsv",
               "--length", "16", "--output", tmp_path / "x") == 2  # fmt: skip
    assert "model of other labels: B-LOC, B-PER" in complaint(capsys)
    assert run("--model", tmp_path / "entities", "--train", files / "train.tsv", "--epochs", "1", "--length", "16",
               "--output", tmp_path / "again", "--no-samples") == 0  # fmt: skip
    assert "confident errors" not in capsys.readouterr().out


def test_parts_of_speech_by_name_of_the_columns(model, files, tmp_path, capsys):
    assert run("--model", model, "--train", files / "pos.tsv", "--word", "form", "--label", "tag", "--epochs", "1",
               "--length", "16", "--output", tmp_path / "words") == 0  # fmt: skip
    shown = capsys.readouterr().out
    assert "val_accuracy" in shown and "val_f1" not in shown and "PROPN" in shown
    assert load_model(str(tmp_path / "words")).classes == ["ADJ", "PRON", "PROPN", "VERB"]


def test_a_tagger_from_scratch_finds_words_and_their_parts_of_speech(files, tmp_path, capsys):
    WordPieceTokenizer(VOCABULARY).save(str(tmp_path / "data"))
    assert run("--from-scratch", "tiny", "--data", tmp_path / "data", "--train", files / "pos.tsv", "--word", "form",
               "--label", "tag", "--epochs", "3", "--split-words", "--output", tmp_path / "found") == 0  # fmt: skip
    assert "val_f1" in capsys.readouterr().out
    words, tags = load_model(str(tmp_path / "found")).annotate(["我爱大上海"])
    assert words == [["我", "爱", "大", "上海"]] and tags == [["PRON", "VERB", "ADJ", "PROPN"]]


@pytest.mark.parametrize(
    ("dev", "options", "words"),
    [
        ("ada\tB-GOD\n", [], "dev.tsv has 1 tags that training has not: 'B-GOD' (line 1)"),
        ("ada\tB-PER\nsaw\n", [], "dev.tsv, line 2: 1 columns where the first line has 2"),
        ("\tO\n", [], "dev.tsv, line 1: the word is empty"),
        ("", [], "dev.tsv has no sentences"),
        ("the\tO\nada\tI-PER\n", ["--illegal-tags", "refuse"], "dev.tsv, line 2: I-PER after O is no BIO"),
        ("ada\tB-PER\n", ["--label", "tag"], "no column 'tag' for the tag"),
        ("ada\tB-PER\n", ["--length", "64"], "length must be between 8 and the encoder's 16"),
        ("ada\tB-PER\n", ["--from-scratch", "tiny"], "either --model FOLDER, or --from-scratch"),
        ("ada\tB-PER\n", ["--epochs", "0"], "--epochs"),
        ("ada\tB-PER\n", ["--batch-size", "0"], "--batch-size"),
        ("ada\tB-PER\n", ["--split-words"], "the tags spell spans already"),
        ("ada\tB-PER\n", ["--predictions", "absent/answers.tsv"], "no such folder"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(model, files, tmp_path, capsys, dev, options, words):
    (tmp_path / "dev.tsv").write_text(dev)
    options = options if "--length" in options else [*options, "--length", "16"]
    assert run("--model", model, "--train", files / "train.tsv", "--dev", tmp_path / "dev.tsv",
               "--output", tmp_path / "m", *options) == 2  # fmt: skip
    assert words in complaint(capsys)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(("tag", "words"), [("O", "all 6 tags are 'O'"), ("X", "all 6 tags are 'X'")])
def test_equal_tags_teach_nothing(model, tmp_path, capsys, tag, words):
    (tmp_path / "train.tsv").write_text(f"ada\t{tag}\nsaw\t{tag}\n\n" * 3)
    assert run("--model", model, "--train", tmp_path / "train.tsv", "--dev", tmp_path / "train.tsv",
               "--length", "16", "--output", tmp_path / "m") == 2  # fmt: skip
    assert words in complaint(capsys)


def test_an_illegal_tag_is_repaired_and_said_and_a_long_sentence_is_one_sentence(model, files, tmp_path, caplog):
    (tmp_path / "dev.tsv").write_text("the\tO\nada\tI-PER\n" * 500 + "\nsaw\tO\n")
    assert run("--model", model, "--train", files / "train.tsv", "--dev", tmp_path / "dev.tsv", "--length", "16",
               "--epochs", "1", "--predictions", tmp_path / "answers.tsv", "--output", tmp_path / "m") == 0  # fmt: skip
    assert "500 tags repaired to BIO, the first: " in caplog.text
    answers = list(read_tagged_words(str(tmp_path / "answers.tsv")))
    assert [len(sentence.words) for sentence in answers] == [1000, 1]
    assert answers[0].tags == ["O", "B-PER"] * 500
