"""Data sets of the hub; here folders, which datasets reads without a network."""

import json

import pytest

from keras_mlm.data.hub_rows import hub_rows
from keras_mlm.data.labelled_texts import read_labelled_texts
from keras_mlm.data.tagged_words import read_tagged_words
from keras_mlm.errors import InputError

pytestmark = pytest.mark.slow

# How a data set says what the numbers of its classes mean.
CARD = """---
dataset_info:
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: {class_label: {names: {'0': bad, '1': good}}}}
  - {name: tokens, sequence: string}
  - {name: ner_tags, sequence: {class_label: {names: {'0': O, '1': B-PER}}}}
configs:
- {config_name: default, data_files: [{split: train, path: train.jsonl}, {split: test, path: test.jsonl}]}
---
"""
ROWS = [
    {"text": "A bad day.", "label": 0, "tokens": ["Anna", "sleeps"], "ner_tags": [1, 0]},
    {"text": "一本好书。", "label": 1, "tokens": ["好"], "ner_tags": [0]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("set")
    (folder / "README.md").write_text(CARD)
    for name, rows in (("train", ROWS), ("test", ROWS[1:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_numbers_become_names(folder):
    texts = list(read_labelled_texts(f"hf:{folder}#train"))
    assert [(item.line, item.text, item.label) for item in texts] == [
        (1, "A bad day.", "bad"),
        (2, "一本好书。", "good"),
    ]
    assert [item.label for item in read_labelled_texts(f"hf:{folder}:default#test", text="text")] == ["good"]
    sentences = list(read_tagged_words(f"hf:{folder}"))
    assert [(item.words, item.tags) for item in sentences] == [(["Anna", "sleeps"], ["B-PER", "O"]), (["好"], ["O"])]
    assert sentences[0].lines == [1, 1]


def test_what_is_not_there_is_named(folder):
    for address in (f"hf:{folder}#dev", f"hf:{folder}/nowhere", f"hf:{folder}:other"):
        with pytest.raises(InputError) as told:
            list(hub_rows(address))
        assert str(told.value).startswith(address) and "\n" not in str(told.value)
    with pytest.raises(InputError, match="row 1: 'words' is no list; there are text, label, tokens, ner_tags"):
        list(read_tagged_words(f"hf:{folder}", word="words"))
    with pytest.raises(InputError, match="line 1: no text or number 'topic' for the label"):
        list(read_labelled_texts(f"hf:{folder}", label="topic"))
