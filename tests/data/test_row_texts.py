"""Documents in JSONL, CSV and TSV: the same as in plain text, whatever the file, and a word for every bad row."""

import csv
import gzip
import io
import json
import lzma
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.data import documents as module
from keras_mlm.data import file_rows, text_files
from keras_mlm.data.documents import read_documents
from keras_mlm.data.left_out import LeftOut
from keras_mlm.errors import InputError

# Lines as plain text may have them. What ends a line or is space at its ends is none, here as there.
letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")
lines = st.text(letters, min_size=1).filter(str.strip)
texts = st.lists(st.lists(lines, min_size=1, max_size=4), min_size=1, max_size=5)


def as_jsonl(documents):
    return "".join(json.dumps({"id": 1, "body": text}, ensure_ascii=len(text) % 2) + "\n" for text in documents)


def as_csv(documents):
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(["id", "body"])
    rows.writerows([1, text] for text in documents)
    return file.getvalue()


def read(path, **options):
    return [document.lines for document in read_documents([str(path)], **options)]


@settings(max_examples=60)
@given(texts)
def test_rows_give_what_plain_text_gives(documents):
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "a.txt")
        plain.write_bytes("\n\n".join("\n".join(document) for document in documents).encode())
        expected = read(plain)
        # Inside a row blank lines and the line ends of other systems are nothing special.
        rows = ["\r\n\n \n".join(document) for document in documents]
        for name, content in (("a.jsonl", as_jsonl(rows)), ("a.csv", as_csv(rows))):
            for suffix, pack in (("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)):
                path = Path(folder, name + suffix)
                path.write_bytes(pack(content.encode()))
                assert read(path, field="body") == expected
    assert expected == [[line.strip() for line in document] for document in documents]


def test_columns_by_name_or_by_number(write_text):
    table = 'id,"the text",text\n1,"two\n\nlines, ""one"" cell",no\n\n2,second,no\n'
    assert read(write_text("a.csv", table), field="the text") == [["two", 'lines, "one" cell'], ["second"]]
    assert read(write_text("a.csv", table)) == [["no"], ["no"]], "the column text, unless another is named"
    assert read(write_text("b.csv", "1,first\n2,second\n"), field="2") == [["first"], ["second"]]
    assert read(write_text("a.tsv", 'id\ttext\n1\tHe said "no\n\n2\t你好，世界\r\n')) == [
        ['He said "no'],
        ["你好，世界"],
    ]
    documents = list(read_documents([write_text("c.csv", 'text\n"a\nb"\nc\n')]))
    assert [document.line for document in documents] == [2, 4], "where a row begins"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": ', "line 2: not JSON: Expecting value at character 10; correct it, or"),
        ("a.jsonl", '{"text": "a"} x\n', "line 1: not JSON: Extra data at character 15"),
        ("a.jsonl", '["a"]\n', "line 1: a JSON object belongs on each line"),
        ("a.jsonl", '{"text": "a"}\n\n{"body": "a", "id": 1}\n', "line 3: no 'text'; there are 'body', 'id': choose"),
        ("a.jsonl", "{}\n", "line 1: no 'text'; there are none"),
        ("a.jsonl", '{"text": null}\n', "line 1: 'text' is null, not a string"),
        ("a.jsonl", '{"text": ["a"]}\n', "line 1: 'text' is of type list, not a string"),
        ("a.jsonl", '{"text": "a\\u0000b"}\n', "line 1: the text holds a NUL character"),
        ("a.jsonl", '{"text": "\\ud83d"}\n', "line 1: the text holds what is not UTF-8"),
        ("a.jsonl", "[" * 100_000 + "\n", "line 1: not JSON"),
        ("a.jsonl", '{"text": ' + "1" * 5000 + "}\n", "line 1: not JSON"),
        ("a.csv", 'id,text\n1,a\n2,"b"c\n', "line 3: not CSV"),
        ("a.csv", 'id,text\n1,"a\nb\n', "line 2: not CSV: unexpected end of data"),
        ("a.csv", "id,text\n1,a,b\n", "line 2: 3 columns where the first line has 2"),
        ("a.tsv", "id\ttext\n1 a\n", "line 2: 1 columns where the first line has 2"),
    ],
)
def test_a_bad_row_stops_or_is_skipped(write_text, name, content, words):
    path = write_text(name, content)
    for errors in ("strict", "replace"):
        if errors == "replace" and "the text holds" in words:
            continue
        with pytest.raises(InputError) as caught:
            read(path, errors=errors)
        assert str(caught.value).startswith(f"{path}, {words}")
        assert "--errors skip" in str(caught.value)
    good = write_text("good.txt", "Good.")
    left_out = LeftOut()
    found = [document.text for document in read_documents([path, good], errors="skip", left_out=left_out)]
    assert found[-1] == "Good." and set(found) <= {"a", "Good."}
    assert left_out.counts == {"unreadable_documents": 1}
    assert words.split(";")[0] in left_out.samples["unreadable_documents"][0]


def test_what_is_behind_a_bad_row_is_read(write_text):
    rows = [b'{"text": "one"}', b"{", b'{"text": "b\xff"}', b'{"text": "two"}', b'{"text": " \\n"}', b'{"text": ""}']
    left_out = LeftOut()
    path = write_text("a.jsonl", b"\n".join(rows))
    assert read(path, errors="skip", left_out=left_out) == [["one"], ["two"]]
    assert left_out.counts == {"unreadable_documents": 2, "empty_documents": 2}
    assert left_out.samples["empty_documents"] == [f"{path}, line {line}: no text" for line in (5, 6)]
    left_out = LeftOut()
    path = write_text("a.csv", 'id,text\n1,one\n2,"t"wo\n3,three\n4\n5,five\n')
    assert read(path, errors="skip", left_out=left_out) == [["one"], ["three"], ["five"]]
    assert left_out.counts == {"unreadable_documents": 2}


def test_signs_in_the_place_of_what_is_not_utf_8(write_text):
    path = write_text("a.jsonl", b'{"text": "a\\ud83d \xff\\u0000z"}\n')
    assert read(path, errors="replace") == [["a\ufffd \ufffd\ufffdz"]]
    with pytest.raises(InputError, match=r"a\.jsonl is not UTF-8 at byte 18.*--errors replace"):
        read(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.tsv", "a.csv"])
def test_endless_rows(write_text, monkeypatch, name):
    for part in (text_files, file_rows):
        monkeypatch.setattr(part, "MAX_ROW_CHARACTERS", 200)
    monkeypatch.setattr(text_files, "CHUNK_BYTES", 16)
    monkeypatch.setattr(module, "MAX_DOCUMENT_CHARACTERS", 40)
    monkeypatch.setattr(text_files, "MAX_LINE_CHARACTERS", 40)
    long, endless = "x" * 150, "y" * 3000
    separator = "," if name == "a.csv" else "\t"
    rows = [f"1{separator}{text}" for text in (long, endless, "short")]
    content = as_jsonl([long, endless, "short"]) if name == "a.jsonl" else "\n".join([f"id{separator}body", *rows])
    path = write_text(name, content)
    with pytest.raises(InputError, match=rf"{name}, line \d: more than 200 characters in one line.*--errors skip"):
        read(path, field="body")
    left_out = LeftOut()
    found = read(path, field="body", errors="skip", left_out=left_out)
    assert left_out.counts == {"unreadable_documents": 1}
    assert found[-1] == ["short"]
    # A long row is a document that is cut, as an endless one of plain text is.
    assert "".join(line for document in found[:-1] for line in document) == long
    assert len(found) == 5


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(write_text, monkeypatch):
    monkeypatch.setattr(file_rows, "MAX_ROW_CHARACTERS", 200)
    path = write_text("a.csv", 'text\n"' + "open\n" * 1000)
    with pytest.raises(InputError, match=r"line 2: not CSV: field larger than field limit"):
        read(path)


def test_columns_and_fields_that_are_not_there(write_text):
    with pytest.raises(InputError, match=r"a\.csv, line 1: no column 'text' .* there are id, body: .*--field"):
        read(write_text("a.csv", "id,body\n1,a\n"), errors="skip")
    with pytest.raises(InputError, match="--field body is for JSONL, CSV, TSV and Parquet, and there are none"):
        read_documents([write_text("a.txt", "a")], field="body")
    with pytest.raises(InputError, match=r"nothing to read; 1 unreadable documents left out: .*line 1: not JSON"):
        read(write_text("a.jsonl", "{\n"), errors="skip")
    with pytest.raises(InputError, match=r"no text in .*a\.csv"):
        read(write_text("a.csv", "id,text\n"))


def test_without_a_count_what_is_skipped_is_warned_of(write_text, caplog):
    assert read(write_text("a.jsonl", '{\n{"text": "a"}\n'), errors="skip") == [["a"]]
    assert "1 unreadable documents left out" in caplog.text and "line 1" in caplog.text


def test_damaged_archives_of_rows_are_named(write_text):
    packed = gzip.compress(as_jsonl(["a text"] * 10_000).encode())
    for errors in ("strict", "skip"):
        with pytest.raises(InputError, match=r"cut\.jsonl\.gz is damaged or cut off"):
            read(write_text("cut.jsonl.gz", packed[: len(packed) // 2]), field="body", errors=errors)
