"""recipes/prepare_corpus.py: what it prints, what it refuses, a full disk, and its memory."""

import json
import resource
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from keras_mlm import command_line

RECIPE = Path(__file__).parents[2] / "recipes" / "prepare_corpus.py"


def run_recipe(*arguments, **options):
    """Run it in a process of its own."""
    return subprocess.run(
        [sys.executable, str(RECIPE), *arguments], capture_output=True, text=True, timeout=120, **options
    )


def run_here(*arguments):
    """Run it in this process, which has imported TensorFlow already, and return the exit code."""
    with pytest.raises(SystemExit) as ended:
        command_line.run(runpy.run_path(str(RECIPE))["prepare_corpus"], arguments=list(arguments))
    return ended.value.code or 0


def test_the_recipe_end_to_end(write_text, make_documents, tmp_path, caplog):
    path = write_text("a.txt", "\n\n".join(document.text for document in make_documents(50)))
    arguments = ["--text", path, "--output", str(tmp_path / "data"), "--vocabulary-size", "100"]
    done = run_recipe(*arguments)
    assert done.returncode == 0, done.stderr
    assert "Read 50 documents and kept 50.\nDuplicate documents: 0\n" in done.stdout
    metrics = json.loads((tmp_path / "data" / "metrics.json").read_text())
    assert metrics["documents"] == 50
    assert metrics["vocabulary_size"] == 100
    files = lambda: {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    before = files()
    assert run_here(*arguments) == 0
    assert "already prepared" in caplog.text
    assert files() == before


def test_the_recipe_refuses_bad_input_in_one_line(write_text, tmp_path, capsys):
    bad = write_text("bad.txt", b"good\n\nba\xffd\n\nmore\n")
    output = tmp_path / "data"
    size = ["--output", str(output), "--vocabulary-size", "30"]
    for arguments, message in (
        (["--text", "nowhere.txt", *size], "nowhere.txt does not exist"),
        (["--text", bad, "--output", str(output)], "give either --vocabulary-size N"),
        (["--text", bad, *size], "bad.txt is not UTF-8 at byte 8"),
    ):
        assert run_here(*arguments) == 2
        errors = capsys.readouterr().err
        (line,) = [line for line in errors.splitlines() if line.startswith("error:")]
        assert message in line
        assert "Traceback" not in errors
        assert not output.exists()


def test_the_recipe_on_a_full_disk(write_text, make_documents, tmp_path):
    path = write_text("a.txt", "\n\n".join(document.text for document in make_documents(2000)))
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    done = run_recipe("--text", path, "--output", str(tmp_path / "data"), "--vocabulary-size", "100", preexec_fn=limit)
    assert done.returncode == 1, done.stderr
    assert "error: writing to" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    script = textwrap.dedent(
        """
        import random, resource, sys
        from keras_mlm.data.documents import Document
        from keras_mlm.data.prepare_corpus import prepare_corpus
        words = ["".join(random.Random(i).choices("abcdefghij", k=6)) for i in range(5000)]
        generator = random.Random(0)
        line = lambda: " ".join(generator.choices(words, k=150)) + "."
        documents = (Document("made", i, [line() for _ in range(10)]) for i in range(int(sys.argv[1])))
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(words))]
        prepare_corpus(documents, sys.argv[2], vocabulary=vocabulary)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        """
    )

    def peak(documents):
        command = [sys.executable, "-c", script, str(documents), str(tmp_path / str(documents))]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 20 and 100 MB of text, in kilobytes: what is held out grows up to its bound, nothing else.
    assert peak(10_000) - peak(2_000) < 60_000
