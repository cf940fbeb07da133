"""Counted run by run and in batches, the words are those of whole texts."""

from collections import Counter

import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.tokenizers import count_words as module
from keras_mlm.tokenizers.bert_words import BertWords
from keras_mlm.tokenizers.count_words import count_words

MODES = [("fast", True), ("fast", False), ("bert", True), ("bert", False)]


EXACT = {lowercase: BertWords(lowercase=lowercase, strip_accents=lowercase) for lowercase in (True, False)}
FOLDS = {folds: tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=folds) for folds in (True, False)}
WHOLE = tf_text.FastWordpieceTokenizer(["[UNK]", "x"], max_bytes_per_word=400)


def words_of_whole_texts(texts, normalization, lowercase):
    data = tf.constant([text.encode("utf-8", "replace") for text in texts])
    if normalization == "bert":
        words = EXACT[lowercase].split(data).values.numpy()
        return Counter(word.decode("utf-8", "replace") for word in words)
    normalized = FOLDS[lowercase].normalize(data)
    _, starts, ends = WHOLE.tokenize_with_offsets(normalized)
    counts = Counter()
    for text, of_text, to in zip(normalized.numpy(), starts.to_list(), ends.to_list(), strict=True):
        counts.update(text[start:end].decode("utf-8", "replace") for start, end in zip(of_text, to, strict=True))
    return counts


@pytest.mark.parametrize(("normalization", "lowercase"), MODES)
def test_words_by_hand(normalization, lowercase):
    counts = count_words(["Low low, low-low", "我们我 low"], normalization=normalization, lowercase=lowercase)
    low = {"low": 5} if lowercase else {"Low": 1, "low": 4}
    assert counts == {**low, ",": 1, "-": 1, "我": 2, "们": 1}


# What stands beside a space, may fold into something else, or may be taken for space.
TRICKY = st.sampled_from(list(" \t\n\x0b\u00a0\u3000\u2028\u0301\u0300Σς.,'-Aaéß我们İ\u200b\u200dﬁ½\ud800"))


@pytest.mark.parametrize(("normalization", "lowercase"), MODES)
@given(texts=st.lists(st.text(TRICKY | st.characters(), max_size=20), max_size=4))
def test_words_do_not_depend_on_the_text_around_their_run(normalization, lowercase, texts):
    expected = words_of_whole_texts(texts, normalization, lowercase) if texts else {}
    assert count_words(texts, normalization=normalization, lowercase=lowercase) == expected


def test_batches_change_nothing(monkeypatch):
    texts = [f"word{number % 7} and {'我们' * (number % 3)} again" for number in range(50)]
    expected = count_words(texts)
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 40)
    assert count_words(iter(texts)) == expected and expected["and"] == 50


def test_long_runs_are_counted_in_pieces():
    assert count_words(["学习" * 5000 + " " + "学习" * 3000]) == {"学": 8000, "习": 8000}
