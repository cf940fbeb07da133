"""What paths stand for: folders, patterns, remote files, standard input."""

import gzip
import io
import sys
import tempfile
from types import SimpleNamespace

import pytest
import tensorflow as tf

from keras_mlm.data import text_files as module
from keras_mlm.data.documents import read_documents
from keras_mlm.data.standard_input import standard_input
from keras_mlm.data.text_files import describe_paths, list_files, one_file, read_lines
from keras_mlm.errors import InputError, RunError


@pytest.fixture
def piped(monkeypatch):
    """A function that puts bytes where standard input is."""

    def pipe(content):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content), closed=False))
        standard_input.cache_clear()

    yield pipe
    standard_input.cache_clear()


def names(files):
    return [file.rsplit("/", 1)[-1] for file in files]


def test_patterns(write_text, tmp_path):
    for name in ("b.txt", "a.txt", "c.md", "deep/down/d.txt", ".hidden.txt", "a[1].txt"):
        write_text(f"corpus/{name}", "text")
    assert names(list_files([f"{tmp_path}/corpus/*.txt"])) == ["a.txt", "a[1].txt", "b.txt"]
    assert names(list_files([f"{tmp_path}/corpus/[bc].*"])) == ["b.txt", "c.md"]
    assert names(list_files([f"{tmp_path}/corpus/**/d.txt", f"{tmp_path}/corpus/d*"])) == ["d.txt", "d.txt"]
    assert names(list_files([f"{tmp_path}/corpus/a[1].txt"])) == ["a[1].txt"], "a file that is there is no pattern"
    with pytest.raises(InputError, match=r"nothing fits .*\*\.jsonl$"):
        list_files([f"{tmp_path}/corpus/*.jsonl"])
    assert describe_paths([f"{tmp_path}/corpus/?.*"]) == [{"path": f"{tmp_path}/corpus/?.*", "files": 3, "bytes": 12}]
    with pytest.raises(InputError, match=r"\?\.txt stands for 2 files: name one"):
        one_file(f"{tmp_path}/corpus/?.txt")


def test_tables_in_folders_are_read_where_a_column_is_named(write_text, tmp_path):
    for name in ("a.txt", "b.jsonl", "c.csv", "d.tsv.gz", "e.csv.xz", "f.json", "g.txt.gz"):
        write_text(f"corpus/{name}", "text")
    folder = str(tmp_path / "corpus")
    assert names(list_files([folder])) == ["a.txt", "b.jsonl", "g.txt.gz"]
    assert names(list_files([folder], tables=True)) == ["a.txt", "b.jsonl", "c.csv", "d.tsv.gz", "e.csv.xz", "g.txt.gz"]
    (tmp_path / "corpus" / "only").mkdir()
    write_text("corpus/only/c.csv", "text")
    with pytest.raises(InputError, match=r"no text files in .*only: looked for .*; \*\.csv, \*\.tsv, \*\.parquet with"):
        list_files([f"{folder}/only"])


def test_remote_files():
    folder = "ram://texts/corpus"
    tf.io.gfile.makedirs(f"{folder}/deep")
    packed = gzip.compress(b'{"text": "Zwei."}\n')
    for name, content in (("a.txt", b"Eins.\n"), ("deep/b.jsonl.gz", packed), ("c.md", b"no"), ("cut.gz", packed[:20])):
        with tf.io.gfile.GFile(f"{folder}/{name}", "wb") as file:
            file.write(content)
    wanted = [f"{folder}/a.txt", f"{folder}/deep/b.jsonl.gz"]
    assert [document.lines for document in read_documents(wanted)] == [["Eins."], ["Zwei."]]
    assert set(wanted) < set(list_files([folder]))
    assert list_files([f"{folder}/*.txt"]) == wanted[:1]
    assert describe_paths([wanted[0]]) == [{"path": wanted[0], "files": 1, "bytes": 6}]
    for path, words in ((f"{folder}/x", "x does not exist"), (f"{folder}/*.x", "nothing fits"), ("odd://x", "odd")):
        with pytest.raises(InputError, match=words):
            list_files([path])
    with pytest.raises(InputError, match=r"cut\.gz is damaged or cut off"):
        list(read_lines(f"{folder}/cut.gz"))


def test_standard_input_is_read_once_and_told_by_its_content(piped, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    piped(b"One.\n\nTwo.\n")
    described = describe_paths(["-"])
    assert [document.lines for document in read_documents(["-"])] == [["One."], ["Two."]]
    assert [document.lines for document in read_documents(["-"])] == [["One."], ["Two."]]
    assert (described[0]["path"], described[0]["bytes"], len(described[0]["sha256"])) == ("-", 11, 64)
    assert list(tmp_path.iterdir()) == [], "nothing that a kill could leave"
    piped(b"One.\n\nTvo.\n")
    assert describe_paths(["-"]) != described
    piped(b'{"body": "One.\\n\\nStill one."}\n')
    assert [document.lines for document in read_documents(["-"], field="body")] == [["One.", "Still one."]]


def test_standard_input_that_cannot_be_read(piped, monkeypatch):
    piped(b"\0\1")
    with pytest.raises(InputError, match="- is a binary file"):
        list(read_documents(["-"]))
    piped(b"")
    with pytest.raises(InputError, match="no text in -"):
        list(read_documents(["-"]))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: (_ for _ in ()).throw(OSError(28, "No space left")))
    piped(b"text")
    with pytest.raises(RunError, match=r"standard input could not be kept .*No space left.*TMPDIR"):
        list(read_documents(["-"]))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="there is none"):
        list(read_documents(["-"]))


def test_long_lines_lose_their_end_but_not_their_neighbours(write_text, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 7)
    monkeypatch.setattr(module, "MAX_LINE_CHARACTERS", 10)
    path = write_text("a.txt", f"short\n{'x' * 40}\n\nend")
    assert list(read_lines(path, whole=True)) == ["short", "x" * 40, "", "end"]
    monkeypatch.setattr(module, "MAX_ROW_CHARACTERS", 20)
    first, cut, *others = read_lines(path, whole=True)
    assert (first, others) == ("short", ["", "end"])
    assert 20 < len(cut) < 40 and set(cut) == {"x"}
