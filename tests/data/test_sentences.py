import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.data.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["One sentence only."],
        ["No end mark at all"],
        ["It rained.", "We stayed."],
        ["Really?", "Yes!", "No…", "Perhaps."],
        ["Dr. Lee met Mr. J. R. R. Tolkien in the U.S. Army.", "They talked."],
        ["It costs $3.50 or 2.000 euros.", "Version 2.0 is out."],
        ["Use a tool, e.g. Make or i.e. Ninja, vs. Bazel.", "Done."],
        ["See fig. 3 and no. 5 on pp. 12.", "“No.”", "She left."],
        ["“Why?” she asked.", "“Because.”", "He shrugged."],
        ['He said "Stop."', "Nobody did."],
        ["He stopped (at last.)", "Then he went on."],
        ["So did I.", "We all did."],
        ["It was in 1990.", "2000 people came."],
        ["My phone is new... but slow.", "Fine."],
        ["Émile left.", "Élise stayed."],
        ["Он ушёл.", "Она осталась."],
    ],
)
def test_english_and_other_alphabets(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["他说：“你好。”", "然后走了。"],
        ["真的吗？！", "是的……好吧。", "再见！"],
        ["用「引号。」", "『双引号！』", "（括号。）", "结束"],
        ["第3.5条规定如下。", "第一款"],
        ["他问：“去吗？”", "“不。”", "她说。"],
        ["他走了。。。", "没有回来。”"],
    ],
)
def test_chinese(sentences):
    assert split_sentences("".join(sentences)) == sentences
    assert split_sentences(" ".join(sentences)) == sentences


def test_blank_lines_have_no_sentence():
    assert split_sentences("") == split_sentences("  \t ") == []


@given(st.text(st.sampled_from('ab A I.Dr。！？…!?"”」』) (（“「3')) | st.text())
def test_nothing_is_lost_and_nothing_is_empty(line):
    sentences = split_sentences(line)
    assert "".join("".join(sentences).split()) == "".join(line.split())
    assert all(sentence.strip() for sentence in sentences)


@given(st.text(st.sampled_from("ab A.。！”」 "), max_size=40))
def test_a_sentence_does_not_split_again(line):
    for sentence in split_sentences(line):
        assert split_sentences(sentence) == [sentence.strip()]
