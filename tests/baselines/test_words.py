import pytest

from keras_mlm.baselines.words import NGrams, words


def test_n_grams_of_words_and_of_chinese_characters():
    assert NGrams(2)("A big Dog.") == ["a", "big", "dog", ".", "a big", "big dog", "dog ."]
    assert NGrams(3)("中国ab7") == ["中", "国", "ab7", "中 国", "国 ab7", "中 国 ab7"]


def test_a_pair_has_those_of_each_half_and_those_of_both():
    assert NGrams(1)(("a b", "b c")) == ["a\ta", "a\tb", "b\tb", "b\tc", "both\tb"]


def test_words():
    assert words("They WON 3-1, ok?") == ["they", "won", "3", "-", "1", ",", "ok", "?"]


def test_chinese_words_come_from_a_segmenter():
    pytest.importorskip("rjieba")
    assert words("北京大学生 AB我们") == ["北京", "大学生", "ab", "我们"]
