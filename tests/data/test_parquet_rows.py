"""Documents in a column of Parquet: the same as in JSONL, row group by row group, and a word for every bad row."""

import subprocess
import sys
import textwrap

import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_mlm.data import parquet_rows
from keras_mlm.data.documents import read_documents
from keras_mlm.data.left_out import LeftOut
from keras_mlm.data.text_files import list_files
from keras_mlm.errors import InputError

CELLS = ["One.\n\nStill one.", "", "Two.", " \n", "三。"]


@pytest.fixture
def write_parquet(tmp_path):
    """A function that writes a column, by default of strings, and returns the file's path."""

    def write(values, name="a.parquet", kind=None, column="text", **options):
        array = pyarrow.array(values, kind or pyarrow.string())
        table = pyarrow.table({"id": list(range(len(values))), column: array, "other": ["x"] * len(values)})
        path = str(tmp_path / name)
        pyarrow.parquet.write_table(table, path, **options)
        return path

    return write


def read(path, **options):
    return [(document.line, document.lines) for document in read_documents([str(path)], **options)]


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd"])
@pytest.mark.parametrize("row_group_size", [1, 2, 100])
def test_rows_are_documents(write_parquet, compression, row_group_size):
    path = write_parquet(CELLS, compression=compression, row_group_size=row_group_size)
    left_out = LeftOut()
    assert read(path, left_out=left_out) == [(1, ["One.", "Still one."]), (3, ["Two."]), (5, ["三。"])]
    assert left_out.samples["empty_documents"] == [f"{path}, row 2: no text", f"{path}, row 4: no text"]


@pytest.mark.parametrize(
    "kind",
    [pyarrow.large_string(), pyarrow.string_view(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())],
    ids=str,
)
def test_kinds_of_strings(write_parquet, kind):
    assert read(write_parquet(["a", "b", "a"], kind=kind)) == [(1, ["a"]), (2, ["b"]), (3, ["a"])]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")), min_size=1))
def test_every_text_comes_back(write_parquet, texts):
    path = write_parquet(texts, row_group_size=3)
    expected = [(row, [text.strip()]) for row, text in enumerate(texts, 1) if text.strip()]
    if expected:
        assert read(path) == expected


def test_a_column_is_named(write_parquet, tmp_path):
    path = write_parquet(["a", "b"], column="body")
    assert read(path, field="body") == [(1, ["a"]), (2, ["b"])]
    assert list_files([str(tmp_path)], tables=True) == [path]
    with pytest.raises(InputError, match=r"a\.parquet: no column 'text'; there are id, body, other: choose one with"):
        read(path)
    with pytest.raises(InputError, match=r"a\.parquet: column 'id' is of type int64, not strings"):
        read(path, field="id", errors="skip")
    with pytest.raises(InputError, match=r"no text files in .*; \*\.csv, \*\.tsv, \*\.parquet with --field"):
        list_files([str(tmp_path)])


def test_remote(write_parquet):
    with open(write_parquet(["a", "b"]), "rb") as file, tf.io.gfile.GFile("ram://a.parquet", "wb") as copy:
        copy.write(file.read())
    assert read("ram://a.parquet") == [(1, ["a"]), (2, ["b"])]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "row 2: 'text' is null, not a string; correct it, or leave such rows out with --errors skip"),
        (b"b\xff", "row 2: byte 1 is not UTF-8: go on with --errors replace"),
        (b"n\0", "row 2: the text holds a NUL character; correct it"),
        (b"y" * 300, "row 2: more than 200 bytes in one row; correct it"),
    ],
)
def test_a_bad_row_stops_or_is_skipped(write_parquet, monkeypatch, value, words):
    monkeypatch.setattr(parquet_rows, "MAX_ROW_CHARACTERS", 200)
    values = pyarrow.array([b"one", value, b"three"], pyarrow.binary())
    path = write_parquet(["", "", ""], name="b.parquet")
    # Strings that are none: bytes under the name of a string, as a careless writer has them.
    text = pyarrow.StringArray.from_buffers(3, *values.buffers()[1:], values.buffers()[0])
    pyarrow.parquet.write_table(pyarrow.table({"text": text}), path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}, {words}")
    left_out = LeftOut()
    assert read(path, errors="skip", left_out=left_out) == [(1, ["one"]), (3, ["three"])]
    assert left_out.counts == {"unreadable_documents": 1}
    assert ", row 2: " in left_out.samples["unreadable_documents"][0]
    if value in (b"b\xff", b"n\0"):
        assert read(path, errors="replace")[1] == (2, [value.decode("utf-8", "replace").replace("\0", "\ufffd")])


def test_files_that_are_none(write_text, write_parquet):
    whole = open(write_parquet([f"text {row}" for row in range(50_000)]), "rb").read()  # noqa: SIM115
    for name, content in (("text.parquet", "no Parquet"), ("empty.parquet", ""), ("cut.parquet", whole[:-100])):
        with pytest.raises(InputError, match=rf"{name} is no Parquet file, damaged or cut off"):
            read(write_text(name, content))
    middle = bytearray(whole)
    middle[len(whole) // 4 : len(whole) // 2] = bytes(len(whole) // 2 - len(whole) // 4)
    with pytest.raises(InputError, match=r"hole\.parquet is no Parquet file, damaged or cut off"):
        read(write_text("hole.parquet", bytes(middle)))


def test_without_pyarrow(write_parquet, monkeypatch):
    path = write_parquet(["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"a\.parquet: reading Parquet needs pyarrow: pip install 'keras-mlm\[p"):
        read(path)


@pytest.mark.slow
def test_memory_is_that_of_a_row_group(tmp_path):
    script = textwrap.dedent(
        """
        import resource, sys, pyarrow, pyarrow.parquet
        from keras_mlm.data.documents import read_documents
        groups = int(sys.argv[2])
        with pyarrow.parquet.ParquetWriter(sys.argv[1], pyarrow.schema({"text": pyarrow.string()})) as writer:
            for group in range(groups):
                rows = [f"{group} {row} " + "ab cd" * 1000 for row in range(1000)]
                writer.write_table(pyarrow.table({"text": rows}))
        assert sum(1 for _ in read_documents([sys.argv[1]])) == groups * 1000
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        """
    )

    def peak(groups):
        command = [sys.executable, "-c", script, str(tmp_path / f"{groups}.parquet"), str(groups)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # 20 and 200 MB of text, in kilobytes.
    assert peak(40) - peak(4) < 40_000
