import gzip
import json

import numpy as np
import pytest

from keras_mlm.data.labelled_sets import (
    check_labels,
    class_names,
    class_weights,
    held_out_share,
    read_labelled_sets,
)
from keras_mlm.data.labelled_texts import read_labelled_texts
from keras_mlm.errors import InputError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(*arguments, **columns):
    return [(example.line, example.label, example.text) for example in read_labelled_texts(*arguments, **columns)]


def test_tabs_have_no_quotes_and_blank_lines_are_passed_over(tmp_path):
    path = write(tmp_path / "a.tsv", 'x\tHe said "no\n\ny\t你好，世界\r\n')
    assert read(path) == [(1, "x", 'He said "no'), (3, "y", "你好，世界")]
    packed = tmp_path / "a.tsv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.tsv").read_bytes()))
    assert read(str(packed)) == read(path)


def test_columns_by_name_and_quoted_line_ends_in_csv(tmp_path):
    path = write(tmp_path / "a.csv", 'id,body,topic\n1,"two\nlines, one cell",x\n2,"a ""quote""",y\n')
    assert read(path, text="body", label="topic") == [(2, "x", "two\nlines, one cell"), (4, "y", 'a "quote"')]
    assert read(path, text="2", label="topic") == read(path, text="body", label="topic")


def test_pairs_and_numeric_labels_in_jsonl(tmp_path):
    path = write(tmp_path / "a.jsonl", json.dumps({"a": "one", "b": "two", "label": 3}) + "\n")
    assert read(path, text="a", pair="b") == [(1, "3", ("one", "two"))]


@pytest.mark.parametrize(
    ("name", "text", "columns", "words"),
    [
        ("a.tsv", "x\tone\ny\ttwo\tthree\n", {}, "line 2: 3 columns where the first line has 2"),
        ("a.tsv", "x\tone\ny\t \n", {}, "line 2: the text is empty"),
        ("a.tsv", "x\tone\n\n\ttwo\n", {}, "line 3: the label is empty"),
        ("a.tsv", "x\tone\n", {"label": "3"}, "no column '3' for the label; there are 1 to 2"),
        ("a.tsv", "x\tone\n", {"label": "0"}, "no column '0'"),
        ("a.csv", "topic,body\nx,one\n", {"text": "text"}, "no column 'text' for the text; there are topic, body"),
        ("a.csv", 'x,one\ny,"two\n', {}, "line 2: not CSV"),
        ("a.jsonl", '{"text": "one", "label": "x"}\n{"text": ', {}, "line 2: not JSON"),
        ("a.jsonl", '["one", "x"]\n', {}, "line 1: a JSON object"),
        ("a.jsonl", '{"text": "one"}\n', {}, "line 1: no text or number 'label' for the label; there are text"),
        ("a.tsv", "", {}, "no examples"),
        ("a.csv", "topic,body\n", {"text": "body", "label": "topic"}, "no examples"),
        ("a.txt", "x\tone\n", {}, "must end in .tsv, .csv or .jsonl"),
    ],
)
def test_errors_name_file_and_line(tmp_path, name, text, columns, words):
    path = write(tmp_path / name, text)
    with pytest.raises(InputError) as caught:
        read(path, **columns)
    assert words in str(caught.value) and name in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.tsv does not exist"):
        read(str(tmp_path / "absent.tsv"))


def examples(tmp_path, *rows):
    path = write(tmp_path / "examples.tsv", "".join(f"{label}\t{text}\n" for label, text in rows))
    return list(read_labelled_texts(path))


def test_numeric_classes_stand_in_the_order_of_their_values(tmp_path):
    assert class_names(examples(tmp_path, *((str(n), "a") for n in (10, 9, 2, 10)))) == ["2", "9", "10"]
    assert class_names(examples(tmp_path, ("b", "1"), ("a", "2"), ("b", "3"))) == ["a", "b"]


def test_labels_that_cannot_be_learned_from(tmp_path):
    with pytest.raises(InputError, match=r"examples\.tsv: all 2 labels are 'x'"):
        class_names(examples(tmp_path, ("x", "1"), ("x", "2")))
    with pytest.raises(InputError, match="another column"):
        class_names(examples(tmp_path, *((f"text {n}", "x") for n in range(12))))
    with pytest.raises(InputError, match=r"2 labels that training has not: 'b' \(line 2\), 'c' \(line 3\)"):
        check_labels(examples(tmp_path, ("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")), ["a"])


def test_a_class_with_one_example_is_warned_of(tmp_path, caplog):
    class_names(examples(tmp_path, ("a", "1"), ("a", "2"), ("rare", "3")))
    assert "rare" in caplog.text


def test_the_held_out_share_is_a_tenth_and_equal_texts_fall_on_one_side(tmp_path):
    rows = examples(tmp_path, *((("a", "b")[n % 2], f"text {n // 2}") for n in range(2000)))
    kept, held = held_out_share(rows)
    assert 0.07 < len(held) / 2000 < 0.13 and len(kept) + len(held) == 2000
    assert not {example.text for example in kept} & {example.text for example in held}
    assert held_out_share(rows) == (kept, held)
    with pytest.raises(InputError, match="--dev"):
        held_out_share(rows[:1])


def test_several_labels_a_text_or_none(tmp_path):
    path = write(tmp_path / "a.tsv", "x, y,x\tone\n\ttwo\ny\tthree\n")
    assert read(path, separator=",") == [(1, ("x", "y"), "one"), (2, (), "two"), (3, ("y",), "three")]
    rows = [{"text": "one", "label": ["x", "y"]}, {"text": "two", "label": []}, {"text": "three", "label": "y"}]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = read(path, separator=",")
    assert found == [(1, ("x", "y"), "one"), (2, (), "two"), (3, ("y",), "three")]
    assert class_names(list(read_labelled_texts(path, separator=","))) == ["x", "y"]
    with pytest.raises(InputError, match="no text or number 'label'"):
        read(path)
    with pytest.raises(InputError, match="separator"):
        read(path, separator="")


def test_numbers_where_training_has_names_are_told(tmp_path):
    with pytest.raises(InputError, match=r"'0' .line 1., '1' .line 2.; training has names, not numbers"):
        check_labels(examples(tmp_path, ("0", "a"), ("1", "b")), ["ham", "spam"])


def test_class_weights(tmp_path):
    rows = examples(tmp_path, ("a", "1"), ("a", "2"), ("a", "3"), ("b=c", "4"))
    balanced = class_weights(rows, ["balanced"])
    np.testing.assert_allclose(balanced, [2 / 3, 2 / 3, 2 / 3, 2])
    np.testing.assert_allclose(class_weights(rows, ["b=c=2.5"]), [1, 1, 1, 2.5])
    for given, words in ((["d=1"], "not in training: a, b=c"), (["a"], "NAME=WEIGHT"), (["a=-1"], "NAME=WEIGHT"),
                         (["a=nan"], "NAME=WEIGHT"), (["a=0", "b=c=0"], "nothing to learn")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            class_weights(rows, given)


def test_test_and_dev_are_shares_of_the_whole_and_share_no_text(tmp_path):
    path = write(tmp_path / "a.tsv", "".join(f"{'ab'[n % 2]}\ttext {n // 2}\n" for n in range(4000)))
    sets, classes = read_labelled_sets(path, test_percent=20)
    assert classes == ["a", "b"]
    shares = {name: len(examples) / 4000 for name, examples in sets.items()}
    assert abs(shares["test"] - 0.2) < 0.03 and abs(shares["dev"] - 0.1) < 0.02 and abs(sum(shares.values()) - 1) < 1e-9
    texts = [{example.text for example in examples} for examples in sets.values()]
    assert len(set.union(*texts)) == sum(map(len, texts))
    with pytest.raises(InputError, match="not both"):
        read_labelled_sets(path, test=path, test_percent=20)


def test_a_line_of_two_million_characters_is_one_example(tmp_path):
    path = write(tmp_path / "a.tsv", f"x\t{'won ' * 500_000}\ny\tshort\n")
    assert [(line, label, len(text)) for line, label, text in read(path)] == [(1, "x", 2_000_000), (2, "y", 5)]
