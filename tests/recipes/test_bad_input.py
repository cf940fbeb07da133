"""Every bad input ends in one clear line and exit code 2, and leaves nothing behind."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from recipe_runs import run_recipe as run

from keras_mlm.data.standard_input import standard_input

WORDS = [
    "river",
    "stone",
    "cloud",
    "house",
    "light",
    "water",
    "green",
    "small",
    "large",
    "quiet",
    "north",
    "south",
    "bread",
    "glass",
    "paper",
    "metal",
]


def sentences(number: int) -> str:
    words = [WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(12)]
    return f"{' '.join(words[:6])} {number} .\n{' '.join(words[6:])} {number} again ."


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(sentences(number) for number in range(300)))
    return path


@pytest.fixture(scope="module")
def data(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "corpus"
    assert run("prepare_corpus", "--text", text, "--output", folder, "--vocabulary-size", "90") == 0
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from keras_mlm.config import BertConfig
    from keras_mlm.model_folder import save_model
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    folder = tmp_path_factory.mktemp("models") / "small"
    config = BertConfig(vocabulary_size=90, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=16,
                        max_sequence_length=32)  # fmt: skip
    save_model(BertPretrainer(config, tokenizer=WordPieceTokenizer.load(data)), str(folder))
    return folder


def complaint(capsys: pytest.CaptureFixture) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"", "no text"),
        (b"\n\n \n", "no text"),
        (b"text\x00\x01\x02" * 50, "bad.txt"),
        (b"good\n\nbad \xff\xfe here", "byte 10"),
        (b"one document only .", "document"),
    ],
    ids=["absent", "empty", "blank", "binary", "invalid UTF-8", "one document"],
)
def test_text_that_cannot_be_prepared(content, words, tmp_path, capsys):
    bad = tmp_path / "bad.txt"
    if content is not None:
        bad.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    assert run("prepare_corpus", "--text", bad, "--output", tmp_path / "out", "--vocabulary-size", "60") == 2
    assert words in complaint(capsys)
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"


def test_invalid_utf_8_may_be_replaced(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes("\n\n".join(sentences(number) for number in range(100)).encode() + b" \xff")
    arguments = ["--output", tmp_path / "out", "--vocabulary-size", "70", "--errors", "replace"]
    assert run("prepare_corpus", "--text", path, *arguments) == 0


def test_rows_from_standard_input(tmp_path, capsys, monkeypatch):
    lines = [json.dumps({"body": sentences(number)}) for number in range(100)]
    arguments = ["--output", tmp_path / "out", "--vocabulary-size", "70", "--text", "-", "--field", "body"]

    def pipe(content: str) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content.encode()), closed=False))
        standard_input.cache_clear()

    pipe("\n".join([*lines, "{"]))
    assert run("prepare_corpus", *arguments) == 2
    assert "-, line 101: not JSON" in complaint(capsys)
    assert list(tmp_path.iterdir()) == []
    pipe("\n".join([*lines, "{", lines[7]]))
    assert run("prepare_corpus", *arguments, "--errors", "skip") == 0
    told = capsys.readouterr().out
    assert "Read 101 documents and kept 100." in told and "Duplicate documents: 1\n    -, line 102: " in told
    assert "Unreadable documents: 1\n    -, line 101: not JSON" in told
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    pipe("\n".join([*lines, "{", lines[7]]))
    assert run("prepare_corpus", *arguments, "--errors", "skip") == 0
    pipe("\n".join([*lines, "{", lines[8]]))
    assert run("prepare_corpus", *arguments, "--errors", "skip") == 2
    assert "sources.text" in complaint(capsys)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before
    standard_input.cache_clear()


def test_another_field_is_another_corpus(tmp_path, capsys):
    path = tmp_path / "a.csv"
    rows = [f'"{sentences(number)}","{sentences(number + 100)}"' for number in range(100)]
    path.write_text("\n".join(["question,answer", *rows]))
    arguments = ["--text", path, "--output", tmp_path / "out", "--vocabulary-size", "70"]
    assert run("prepare_corpus", *arguments) == 2
    assert "a.csv, line 1: no column 'text' for the text; there are question, answer" in complaint(capsys)
    assert run("prepare_corpus", *arguments, "--field", "answer") == 0
    assert run("prepare_corpus", *arguments, "--field", "answer") == 0
    assert run("prepare_corpus", *arguments, "--field", "question") == 2
    assert 'sources.field "answer" (now "question")' in complaint(capsys)
    assert run("prepare_corpus", *arguments, "--field", "answer", "--errors", "skip") == 2
    assert 'sources.errors "strict" (now "skip")' in complaint(capsys)


@pytest.mark.parametrize("size", ["6", "50000"])
def test_a_vocabulary_size_that_the_text_cannot_give(text, tmp_path, capsys, size):
    assert run("prepare_corpus", "--text", text, "--output", tmp_path / "out", "--vocabulary-size", size) == 2
    line = complaint(capsys)
    assert size in line.replace(",", "") and any(word.isdigit() and word != size for word in line.split())
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_that_exists_with_other_settings_is_kept(data, text, capsys):
    before = (data / "manifest.json").read_bytes()
    assert run("prepare_corpus", "--text", text, "--output", data, "--vocabulary-size", "80") == 2
    assert "80" in complaint(capsys) and "90" in before.decode()
    assert (data / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "giant", "--steps", "1"], "tiny, mini, small, medium, base, large"),
        (["--style", "odd", "--steps", "1"], "classic"),
        (["--preset", "tiny"], "steps or in minutes"),
        (["--preset", "tiny", "--steps", "1", "--minutes", "1"], "steps or in minutes"),
        (["--preset", "tiny", "--steps", "1", "--length", "4096"], "512"),
        (["--preset", "tiny", "--steps", "0"], "steps"),
    ],
)
def test_a_run_that_cannot_be(arguments, words, data, tmp_path, capsys):
    assert run("pretrain", "--data", data, "--output", tmp_path / "model", *arguments) == 2
    assert words in complaint(capsys)
    assert not (tmp_path / "model").exists()


def test_a_damaged_shard_is_named(data, model, tmp_path, capsys):
    import shutil

    copy = shutil.copytree(data, tmp_path / "copy")
    shard = copy / "validation-00000.tfrecord"
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    shard.write_bytes(bytes(damaged))
    assert run("evaluate", "--model", model, "--data", copy, "--length", "32") == 2
    assert "validation-00000.tfrecord" in complaint(capsys)


def test_records_of_another_vocabulary_are_refused(model, text, tmp_path, capsys):
    assert run("prepare_corpus", "--text", text, "--output", tmp_path / "other", "--vocabulary-size", "80") == 0
    assert run("evaluate", "--model", model, "--data", tmp_path / "other", "--length", "32") == 2
    assert "another vocabulary" in complaint(capsys)


def test_a_text_without_mask_is_quoted(model, capsys):
    assert run("fill_mask", "no mask here", "--model", model) == 2
    assert "no mask here" in complaint(capsys)


def test_a_config_that_points_elsewhere_is_not_followed(model, tmp_path, capsys):
    import shutil

    copy = shutil.copytree(model, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "vocabulary": "../elsewhere/vocab.txt"}))
    assert run("fill_mask", "a [MASK]", "--model", copy) == 2
    assert "vocabulary" in complaint(capsys)


def test_an_export_is_never_overwritten(model, capsys):
    assert run("export", "--model", model, "--length", "16", "--version", "7") == 0
    before = (model / "7" / "saved_model.pb").read_bytes()
    assert run("export", "--model", model, "--length", "16", "--version", "7") == 2
    assert "7" in complaint(capsys)
    assert (model / "7" / "saved_model.pb").read_bytes() == before


@pytest.mark.parametrize("name", ["evaluate", "export", "fill_mask", "pretrain"])
def test_a_folder_that_is_none(name, tmp_path, capsys):
    absent = tmp_path / "absent"
    arguments = {
        "evaluate": ["--model", absent, "--data", absent],
        "export": ["--model", absent],
        "fill_mask": ["a [MASK]", "--model", absent],
        "pretrain": ["--data", absent, "--output", tmp_path / "out", "--steps", "1"],
    }[name]
    assert run(name, *arguments) == 2
    assert "absent" in complaint(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_quickstart_removes_only_what_a_quickstart_wrote(text, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.txt").write_text("mine")
    assert run("quickstart", "--text", text, "--output", tmp_path / "mine", "--fresh") == 2
    assert "mine was not written by a quickstart" in complaint(capsys)
    assert (tmp_path / "mine" / "novel.txt").read_text() == "mine"
