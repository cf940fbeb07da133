import codecs
import gzip
import itertools
import lzma
import os

import pytest

from keras_mlm.data import documents as module
from keras_mlm.data import text_files
from keras_mlm.data.documents import read_documents
from keras_mlm.data.left_out import LeftOut
from keras_mlm.data.text_files import describe_paths, read_lines
from keras_mlm.errors import InputError


def read(*paths, **options):
    return [(document.line, document.lines) for document in read_documents(list(paths), **options)]


def test_blank_lines_separate_documents(write_text):
    path = write_text("a.txt", "One.\nTwo.\n\n\n  \nThree.\n\t\nFour.")
    assert read(path) == [(1, ["One.", "Two."]), (6, ["Three."]), (8, ["Four."])]
    assert [document.source for document in read_documents([path])] == [path] * 3
    assert next(read_documents([path])).text == "One.\nTwo."


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_and_byte_order_mark(write_text, ends):
    path = write_text("a.txt", codecs.BOM_UTF8 + ends.join(["Ä one", "two", "", "three"]).encode())
    assert read(path) == [(1, ["Ä one", "two"]), (4, ["three"])]


def test_only_line_feeds_end_lines(write_text):
    # str.splitlines would also split at these.
    path = write_text("a.txt", "one\x0btwo\x85three\u2028four\nfive")
    assert read(path)[0][1] == ["one\x0btwo\x85three\u2028four", "five"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_chunks_do_not_show(write_text, monkeypatch, chunk):
    text = "Ünï 中文\r\n字。\r\n\r\n🙂 end\r\n"
    path = write_text("a.txt", text)
    whole = read(path)
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk)
    assert read(path) == whole == [(1, ["Ünï 中文", "字。"]), (4, ["🙂 end"])]


def test_packed_files(write_text):
    text = b"One.\n\nTwo.\n"
    packed = [write_text("a.txt.gz", gzip.compress(text)), write_text("b.xz", lzma.compress(text))]
    assert read(*packed) == [(1, ["One."]), (3, ["Two."])] * 2


def test_folders_are_searched_in_order(write_text, tmp_path):
    write_text("corpus/b.txt", "b")
    write_text("corpus/a/z.txt.gz", gzip.compress(b"z"))
    write_text("corpus/a/y.txt.xz", lzma.compress(b"y"))
    write_text("corpus/.hidden.txt", "no")
    write_text("corpus/.git/c.txt", "no")
    write_text("corpus/notes.md", "no")
    assert [lines for _, lines in read(str(tmp_path / "corpus"))] == [["y"], ["z"], ["b"]]


def test_reading_is_lazy(write_text, monkeypatch):
    path = write_text("a.txt", "word\n\n" * 100_000)
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 1024)
    taken = []
    chunks = text_files._chunks
    monkeypatch.setattr(text_files, "_chunks", lambda path: (taken.append(1) or chunk for chunk in chunks(path)))
    assert len(list(itertools.islice(read_documents([path]), 10))) == 10
    assert len(taken) == 1


def test_endless_documents_and_lines_are_cut(write_text, monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENT_CHARACTERS", 100)
    monkeypatch.setattr(text_files, "MAX_LINE_CHARACTERS", 100)
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 64)
    found = [lines for _, lines in read(write_text("a.txt", "0123456789\n" * 25))]
    assert [len(lines) for lines in found] == [10, 10, 5]
    found = list(read_lines(write_text("b.txt", "x" * 1000)))
    assert "".join(found) == "x" * 1000
    assert max(map(len, found)) <= 164


def test_missing_paths_are_named_at_the_call(write_text, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.txt does not exist"):
        read_documents([write_text("a.txt", "a"), str(tmp_path / "nowhere.txt")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no text files in .*empty"):
        read_documents([str(tmp_path / "empty")])
    with pytest.raises(InputError, match="no text given"):
        read_documents([])


def test_empty_files(write_text, caplog):
    empty = write_text("empty.txt", " \n\n")
    with pytest.raises(InputError, match=r"no text in .*empty\.txt"):
        read(empty)
    assert not caplog.text
    assert read(empty, write_text("a.txt", "a")) == [(1, ["a"])]
    assert "empty.txt is empty" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x00\x00text", r"bad\.txt is a binary file \(byte 4 is zero\)"),
        (bytes(range(1, 32)) * 10, r"bad\.txt is a binary file \(more than a tenth"),
        ("text".encode("utf-16"), r"bad\.txt is UTF-16 text"),
    ],
)
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_binary_files_are_refused(write_text, content, message, errors):
    with pytest.raises(InputError, match=message):
        read(write_text("bad.txt", content), errors=errors)


@pytest.mark.parametrize("chunk", [1, 4, 1 << 20])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize(
    ("content", "offset"),
    [(b"abc\xffdef", 3), ("日本".encode() + b"\xe6\x97 x", 6), (b"good\nend \xe6\x97", 9), (b"caf\xe9\n", 3)],
)
def test_invalid_utf8_is_located(write_text, monkeypatch, content, offset, mark, chunk):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", max(chunk, 3) if mark else chunk)
    path = write_text("bad.txt", mark + content)
    with pytest.raises(InputError, match=rf"bad\.txt is not UTF-8 at byte {offset + len(mark)}:.*--errors replace"):
        read(path)
    replaced = "\n".join(line for _, lines in read(path, errors="replace") for line in lines)
    assert "\ufffd" in replaced
    assert replaced.startswith(content[:offset].decode())


def test_invalid_utf8_in_packed_text(write_text):
    with pytest.raises(InputError, match="byte 5 of the unpacked text"):
        read(write_text("bad.txt.gz", gzip.compress(b"12345\xff")))


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_damaged_archives_are_named(write_text, suffix):
    pack = {"gz": gzip.compress, "xz": lzma.compress}[suffix]
    data = pack(os.urandom(5000).hex().encode())
    with pytest.raises(InputError, match=rf"cut\.{suffix} is damaged or cut off"):
        read(write_text(f"cut.{suffix}", data[: len(data) // 2]))
    with pytest.raises(InputError, match=rf"plain\.{suffix} is damaged or cut off"):
        read(write_text(f"plain.{suffix}", "plain text"))


def test_paths_are_described_without_reading(write_text, tmp_path):
    write_text("corpus/a.txt", "12345")
    write_text("corpus/b.txt", b"\xff")
    path = str(tmp_path / "corpus")
    assert describe_paths([path]) == [{"path": path, "files": 2, "bytes": 6}]


def test_documents_that_are_not_utf_8_may_be_skipped(write_text):
    path = write_text("a.txt", b"One.\n\nTwo.\nBad \xff\xfe.\n\nThree \xe4\xb8\xad.\n")
    left_out = LeftOut()
    assert read(path, errors="skip", left_out=left_out) == [(1, ["One."]), (6, ["Three 中."])]
    assert left_out.counts == {"unreadable_documents": 1}
    assert left_out.samples == {"unreadable_documents": [f"{path}, line 3: a document that is not UTF-8"]}
