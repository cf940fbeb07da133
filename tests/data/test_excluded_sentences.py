"""Whose documents are kept out of pre-training."""

import re

import pytest

from keras_mlm.data.excluded_sentences import ExcludedSentences
from keras_mlm.errors import InputError

ENGLISH = "The storm, which reached the coast at night, was weaker than feared."
CHINESE = "这个公园的面积有三十公顷，每天开放。"


def tagged(*sentences):
    return "\n".join("".join(f"{word}\tX\tY\n" for word in words) for words in sentences)


def test_a_tagged_sentence_is_found_however_its_words_are_spaced(write_text):
    english = re.findall(r"\w+|[.,]", ENGLISH)
    paths = [
        write_text("english.tsv", tagged(english, ["So", "what", "?"])),
        write_text("chinese.tsv", tagged([*CHINESE], ["好", "。"])),  # its last line ends no sentence but the file
    ]
    excluded = ExcludedSentences(paths)
    for line in (ENGLISH, f"It rained. {ENGLISH} So what?", " ".join(english), CHINESE, f"今天下雨。{CHINESE}"):
        assert excluded.occur_in(["Something else.", line])
    for line in ("So what?", "好。", ENGLISH.replace("weaker", "stronger"), CHINESE[:-2]):
        assert not excluded.occur_in([line])  # two are too short to tell


def test_labels_are_no_sentences(write_text):
    rows = "".join(f"label{number}\t{ENGLISH}\n" for number in range(9))
    excluded = ExcludedSentences([write_text("rows.tsv", rows)])
    assert excluded.occur_in([ENGLISH])
    assert not excluded.occur_in([" ".join(f"label{number}" for number in range(9))])


def test_a_file_with_nothing_to_exclude_is_refused_and_one_that_repeats_another_is_not(write_text):
    first, second = write_text("first.tsv", f"a\t{ENGLISH}\n"), write_text("second.tsv", f"b\t{ENGLISH}\n")
    assert ExcludedSentences([first, second]).occur_in([ENGLISH])
    short = write_text("short.tsv", tagged(["So", "what", "?"], ["Well", "."]))
    with pytest.raises(InputError, match=r"short\.tsv has no sentence of eight words"):
        ExcludedSentences([first, short])
