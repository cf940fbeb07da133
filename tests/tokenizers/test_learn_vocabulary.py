"""Exact sizes, the same vocabulary each time, and no token that the tokenizer never produces."""

import collections
import dataclasses
import hashlib
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MODES = [("fast", True), ("fast", False), ("bert", True), ("bert", False)]


@pytest.mark.parametrize("size", [300, 301, 500])
def test_the_size_is_exact(corpus, size):
    english = corpus[-3:]
    report = learn_vocabulary(english, size)
    assert len(report.vocabulary) == len(set(report.vocabulary)) == report.asked == report.found == size
    assert report.vocabulary[:5] == SPECIAL
    assert dataclasses.is_dataclass(report)


def test_a_small_text_by_hand():
    report = learn_vocabulary(["low low low lowest lowest", "new newest newest z"], 100, exact=False)
    # Every letter that occurs twice, the ## forms of those that go on a word, then whatever occurs twice together.
    assert report.vocabulary[5:20] == [*"elnostw", *(f"##{c}" for c in "eostw"), *report.vocabulary[17:20]]
    assert {"low", "newest", "lowest"} <= set(report.vocabulary) and "z" not in report.vocabulary
    assert report.alphabet == 7 and report.found == len(report.vocabulary) < report.asked == 100
    assert report.unknown_rate == pytest.approx(1 / 9)
    assert report.coverage == pytest.approx(36 / 37)


def test_too_much_asked_says_how_many_there_are(corpus):
    with pytest.raises(InputError, match=r"only ([\d,]+) tokens") as raised:
        learn_vocabulary(["a few words are few"] * 3, 8000)
    found = int(str(raised.value).split("only ")[1].split()[0].replace(",", ""))
    assert learn_vocabulary(["a few words are few"] * 3, found).found == found
    assert learn_vocabulary(["a few words are few"] * 3, 8000, exact=False).found == found


@pytest.mark.parametrize("exact", [True, False])
def test_too_small_for_the_alphabet_says_what_is_enough(corpus, exact):
    with pytest.raises(InputError, match="too small") as raised:
        learn_vocabulary(corpus[-3:], 50, exact=exact)
    smallest = int(str(raised.value).split("take ")[1].split(";")[0].replace(",", ""))
    assert learn_vocabulary(corpus[-3:], smallest, exact=exact).found == smallest


@pytest.mark.parametrize("texts", [[], ["", " \n"], ["\u200b"]])
def test_no_text_is_refused(texts):
    with pytest.raises(InputError, match="no word"):
        learn_vocabulary(texts, 100)


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match="strip_accents"):
        learn_vocabulary(["a"], 10, normalization="fast", lowercase=True, strip_accents=False)
    with pytest.raises(InputError, match="slow"):
        learn_vocabulary(["a"], 10, normalization="slow")


@pytest.mark.parametrize(("normalization", "lowercase"), MODES)
def test_every_token_is_used(normalization, lowercase):
    """Tokens of the text's own spelling only: those that no text of its kind could produce would be wasted."""
    texts = [
        "“Curly” ‘quotes’, an ellipsis… and — dashes; ﬁne print, ½ of it.",
        "北京是中国的首都，“双引号”、《书名》。他说：好！ＡＢＣ",
        "Ελλάδα ОДЕССА straße naïve ひらがな",
    ] * 3
    report = learn_vocabulary(texts, 5000, exact=False, normalization=normalization, lowercase=lowercase)
    vocabulary = set(report.vocabulary)
    assert set("“”‘’—。、《》北京中国首都ひ") <= vocabulary
    folded = normalization == "fast" and lowercase
    assert set(",:!" if folded else "，：！") <= vocabulary
    assert ("…" in vocabulary) != folded
    assert ("abc" if folded else "ａｂｃ" if lowercase else "ＡＢＣ") in vocabulary
    assert not [token for token in vocabulary if token.startswith("##") and token[2:3] in set("北京是中国的首都，“…")]
    tokenizer = WordPieceTokenizer(report.vocabulary, normalization=normalization, lowercase=lowercase)
    assert tokenizer.unk_token_id not in tokenizer.tokenize(texts).flat_values
    alphabet = [token for token in report.vocabulary[5:] if len(token) == 1]
    assert len(alphabet) == report.alphabet
    assert tokenizer.tokenize(alphabet).to_list() == [[tokenizer.token_to_id(token)] for token in alphabet]


def test_rare_characters_give_way_where_they_crowd_the_vocabulary():
    common = "".join(chr(0x4E00 + i) for i in range(300)) * 200
    rare = "".join(chr(0x5E00 + i) for i in range(400)) * 2
    generous = learn_vocabulary([common, rare], 2000, exact=False)
    assert generous.alphabet == 700 and generous.unknown_rate == 0
    crowded = learn_vocabulary([common, rare], 1100, exact=False)
    assert 670 <= crowded.alphabet < 700
    assert 0.9995 <= crowded.coverage < 1 and crowded.unknown_rate == pytest.approx(1 - crowded.coverage)
    assert {chr(0x4E00 + i) for i in range(300)} <= set(crowded.vocabulary)
    with pytest.raises(InputError, match="too small"):
        learn_vocabulary([common, rare], 500)


def test_unknown_rate_is_what_the_tokenizer_then_does(corpus):
    texts = [*corpus, "x" * 150]
    report = learn_vocabulary(texts, 1500, exact=False, normalization="bert", min_frequency=3)
    tokenizer = WordPieceTokenizer(report.vocabulary, normalization="bert")
    found = tokenizer.tokenize_with_offsets(texts)
    words = int(tf.reduce_sum(tf.cast(found.word_starts.flat_values, tf.int32)))
    unknown = int(tf.reduce_sum(tf.cast(found.token_ids.flat_values == tokenizer.unk_token_id, tf.int32)))
    assert 0 < report.unknown_rate == pytest.approx(unknown / words)


def test_a_generator_is_read_once(corpus):
    assert learn_vocabulary(iter(corpus), 1500, exact=False) == learn_vocabulary(corpus, 1500, exact=False)


def test_lone_surrogates_do_no_harm():
    assert learn_vocabulary(["ab \ud800 ab"], 100, exact=False).found > 5


def test_another_process_finds_the_same(corpus, tmp_path):
    """The `tokenizers` library hashes with a random seed a process: ties must not be left to it."""
    here = hashlib.sha256("\n".join(learn_vocabulary(corpus, 2000, exact=False).vocabulary).encode()).hexdigest()
    (tmp_path / "corpus.txt").write_text(repr(corpus), encoding="utf-8")
    script = (
        "import ast, hashlib, pathlib\n"
        "from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary\n"
        f"corpus = ast.literal_eval(pathlib.Path({str(tmp_path / 'corpus.txt')!r}).read_text(encoding='utf-8'))\n"
        "vocabulary = learn_vocabulary(corpus, 2000, exact=False).vocabulary\n"
        "print(hashlib.sha256('\\n'.join(vocabulary).encode()).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
        check=True,
    )
    assert done.stdout.strip() == here


def test_frequent_words_become_tokens(corpus):
    words = collections.Counter(" ".join(corpus[-3:]).lower().split())
    vocabulary = set(learn_vocabulary(corpus[-3:], 500).vocabulary)
    assert {word for word, count in words.most_common(20) if word.isalpha()} <= vocabulary
