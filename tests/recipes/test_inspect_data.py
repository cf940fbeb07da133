"""A corpus is looked at: what is printed, the picture, and what is refused."""

import re
import shutil
from pathlib import Path

import pytest
from recipe_runs import run_recipe as run


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = ["river", "stone", "cloud", "house", "light", "water", "green", "small"]
    path.write_text(
        "\n\n".join(
            f"The {words[n % 8]} of {words[n * 3 % 7]} {n}.\nIt rains again.\nThat is {words[n % 5]} {n}."
            for n in range(90)
        )
        + "\n\n飝 is written here once."
    )
    return path


@pytest.fixture(scope="module")
def data(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "corpus"
    vocabulary = folder.parent / "vocabulary.txt"
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *letters, *("##" + letter for letter in letters)]
    vocabulary.write_text("\n".join(tokens))
    assert run("prepare_corpus", "--text", text, "--output", folder, "--vocabulary", vocabulary) == 0
    return folder


def complaint(capsys: pytest.CaptureFixture) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def test_what_is_printed(data, text, capsys):
    before = sorted(path.name for path in data.iterdir())
    arguments = ["--data", data, "--strategy", "whole_word", "--length", "32", "--rows", "3", "--seed", "4"]
    assert run("inspect_data", *arguments) == 0
    first = capsys.readouterr().out
    assert "90 × it rains again." in first and "[UNK]" in first and "\033[" not in first
    assert re.search(r"\b512\s+packed texts\s+[\d,]+\s+\d", first)
    assert len(re.findall(r"^\d+\. row [\d,]+ of the corpus, (is|not)_next$", first, flags=re.MULTILINE)) == 3
    assert "[MASK→" in first
    # Nothing is written into the folder; the picture stands beside it.
    assert sorted(path.name for path in data.iterdir()) == before
    assert (data.parent / "corpus.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_words_packed_rows_and_the_same_again(data, text, tmp_path, capsys):
    picture = tmp_path / "other.png"
    for _ in range(2):
        assert run("inspect_data", "--data", data, "--text", text, "--picture", picture, "--packed") == 0
    printed = capsys.readouterr().out
    assert printed[: len(printed) // 2] == printed[len(printed) // 2 :]
    assert "1 × 飝" in printed and "_next" not in printed and "[MASK→" in printed and picture.exists()


def test_a_damaged_shard_is_named(data, tmp_path, capsys):
    shard = "validation-00000.tfrecord"
    copy = shutil.copytree(data, tmp_path / "copy")
    content = bytearray((copy / shard).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (copy / shard).write_bytes(bytes(content))
    assert run("inspect_data", "--data", copy, "--rows", "0") == 2
    assert f"{shard} is damaged" in complaint(capsys)


def test_what_is_no_corpus(data, text, tmp_path, capsys):
    unfinished = shutil.copytree(data, tmp_path / "unfinished", ignore=shutil.ignore_patterns("manifest.json"))
    for folder, words in ((text, "is a file"), (tmp_path, "no manifest.json"), (unfinished, "command again")):
        assert run("inspect_data", "--data", folder) == 2
        assert words in complaint(capsys)
    for arguments, words in (
        (["--text", tmp_path / "absent.txt"], "does not exist"),
        (["--length", "2"], "length"),
        (["--rows", "-1"], "--rows"),
        (["--picture", tmp_path / "absent" / "a.png"], "no such folder"),
    ):
        assert run("inspect_data", "--data", data, *arguments) == 2
        assert words in complaint(capsys)
