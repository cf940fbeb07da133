"""Words and parts of speech from an annotator, from the text to the masks."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.data.documents import Document
from keras_mlm.data.manifest import Manifest
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.record_builder import build_records
from keras_mlm.data.token_record import read_records
from keras_mlm.errors import InputError
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张"


def in_twos(texts):
    """Every two characters are a word, a verb where it begins with one of the first eight characters."""
    words = [[text[at : at + 2] for at in range(0, len(text), 2)] for text in texts]
    return words, [["v" if word[0] in CHARACTERS[:8] else "u" for word in of_text] for of_text in words]


@pytest.fixture(scope="module")
def chinese():
    return WordPieceTokenizer([*SPECIAL_TOKENS, *CHARACTERS, "。", *"abcdefg", *("##" + c for c in "abcdefg")])


def records_of(texts, tokenizer, annotate, **options):
    return list(build_records(enumerate(texts), tokenizer, annotator=Annotator("test 1", annotate), **options))


def test_words_and_tags_of_records(chinese):
    tags = {}
    first, second = records_of([["天地玄", "abg 宇宙"], ["黄"]], chinese, lambda texts: (
        [["天地", "玄"], ["abg", " ", "宇宙"], ["黄"]], [["n", "v"], ["eng", "x", "n"], ["a"]]), tags=tags)  # fmt: skip
    assert [chinese.id_to_token(int(token)) for token in first.token_ids] == [*"天地玄a", "##b", "##g", *"宇宙"]
    assert first.word_starts.tolist() == [True, False, True, True, False, False, True, False]
    assert tags == {"n": 1, "v": 2, "eng": 3, "a": 4}
    assert first.pos_ids.tolist() == [1, 1, 2, 3, 3, 3, 1, 1]
    assert second.word_starts.tolist() == [True] and second.pos_ids.tolist() == [4]


def test_a_piece_that_continues_a_word_never_begins_one(chinese):
    (record,) = records_of([["abc"]], chinese, lambda texts: ([["a", "bc"]], None))
    assert record.word_starts.tolist() == [True, False, False] and record.pos_ids is None


def test_a_sign_that_no_word_has_is_of_no_kind(chinese):
    first, second = records_of([["天。"], ["。地"]], chinese, lambda texts: ([["天"], ["地"]], [["n"], ["v"]]))
    assert second.pos_ids.tolist() == [0, 2]
    assert second.word_starts.tolist() == [True, True]
    assert first.pos_ids.tolist()[0] == 1


@given(st.lists(st.text("天地ab 。\u200b", max_size=12), min_size=1, max_size=4), st.data())
def test_any_cut_into_words(chinese, texts, data):
    cuts = [sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5)) | {0, len(text)}) for text in texts]
    words = [[text[a:b] for a, b in itertools.pairwise(cut)] for text, cut in zip(texts, cuts, strict=True)]
    for number, record in enumerate(
        record for record in records_of([[text] for text in texts], chinese, lambda texts: (words, words))
    ):
        tokens, _, starts, _ = chinese.tokenize_with_offsets(texts[record.document_id])
        assert np.array_equal(tokens, record.token_ids), number
        # Character by character: a token is a new word's where a cut lies between the token before and this one.
        places, own = starts.numpy().tolist(), cuts[record.document_id]
        filled = [a for a, b in itertools.pairwise(own) if texts[record.document_id][a:b].strip()]
        expected = [
            not chinese.continuation[token]
            and (at == 0 or any(places[at - 1] < cut <= place for cut in filled))
            for at, (token, place) in enumerate(zip(record.token_ids, places, strict=True))
        ]  # fmt: skip
        assert record.word_starts.tolist() == expected


@pytest.mark.parametrize("words, message", [
    ([["天", "玄"]], "returned '玄', which is not what comes next in '天地'"),
    ([["天"]], "left out '地' of '天地'"),
    ([["天地"], []], "got 1 texts and returned 2"),
])  # fmt: skip
def test_an_annotator_that_returns_other_text(chinese, words, message):
    with pytest.raises(InputError, match=f"the annotator test 1 {message}"):
        records_of([["天地"]], chinese, lambda texts: (words, None))


def test_an_annotator_with_too_few_or_too_many_tags(chinese):
    with pytest.raises(InputError, match="returned 2 words and 1 tags"):
        records_of([["天地"]], chinese, lambda texts: ([["天", "地"]], [["n"]]))
    text = " ".join("a" * 256)
    with pytest.raises(InputError, match="more than 255 tags"):
        records_of([[text]], chinese, lambda texts: ([text.split()], [[str(n) for n in range(256)]]))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, chinese):
    rng = np.random.default_rng(0)
    documents = [
        Document("made", number, ["".join(rng.choice(list(CHARACTERS), 60)) for _ in range(5)]) for number in range(300)
    ]
    folder = str(tmp_path_factory.mktemp("annotated") / "corpus")
    prepare_corpus(documents, folder, vocabulary=chinese.vocabulary, annotator=Annotator("twos 1", in_twos))
    return folder


def test_the_corpus_says_who_found_its_words(corpus, chinese):
    manifest = Manifest.load(corpus)
    assert sorted(manifest.pos_tags) == ["u", "v"]
    assert manifest.settings["annotator"] == "twos 1"
    with pytest.raises(InputError, match="annotator"):
        prepare_corpus([], corpus, vocabulary=chinese.vocabulary)
    paths = manifest.shard_paths(corpus, "training")
    record = next(read_records(paths[0], manifest.token_dtype))
    assert record.word_starts.tolist() == [True, False] * (len(record.token_ids) // 2)


def rows_of(corpus, **options):
    options = {"length": 64, "batch_size": 128, "next_sentence": False, **options}
    batches = list(PretrainingDataset(corpus, **options).keyed_batches().take(20).as_numpy_iterator())
    return [{name: batch[name][row] for name in batch} for batch in batches for row in range(128)]


@pytest.mark.parametrize("packed", [False, True])
def test_segmented_words_are_masked_whole(corpus, packed):
    for row in rows_of(corpus, masking="whole_word", packed=packed)[:500]:
        places = row["mask_positions"][row["mask_weights"] > 0]
        words = np.cumsum(row["word_starts"])[places]
        assert all(np.count_nonzero(words == word) == 2 for word in words)


@pytest.mark.parametrize("options", [{}, {"packed": True}, {"next_sentence": True}, {"masking": "whole_word"}])
def test_content_words_are_masked_more_often(corpus, chinese, options):
    tags = ["", *Manifest.load(corpus).pos_tags]
    chosen, there = collections.Counter(), collections.Counter()
    for row in rows_of(corpus, content_word_weight=3.0, **options):
        used = row["mask_weights"] > 0
        original = row["token_ids"].copy()
        original[row["mask_positions"][used]] = row["mask_ids"][used]
        kinds = np.array(tags)[row["pos_ids"]]
        special = np.isin(original, [chinese.token_to_id(token) for token in SPECIAL_TOKENS])
        assert np.array_equal(kinds == "", special)
        chosen.update(kinds[row["mask_positions"][used]].tolist())
        there.update(kinds[~special].tolist())
    assert sum(chosen.values()) > 20_000
    # Drawn without replacement, the ratio is a little less than that of the weights.
    ratio = (chosen["v"] / there["v"]) / (chosen["u"] / there["u"])
    assert 2.4 < ratio < 3.0


def test_weights_need_parts_of_speech(corpus, tmp_path, chinese, make_documents):
    plain = str(tmp_path / "plain")
    prepare_corpus(make_documents(40), plain, vocabulary_size=100, exact_size=False)
    with pytest.raises(InputError, match="has no parts of speech"):
        PretrainingDataset(plain, content_word_weight=2.0)
    even = PretrainingDataset(corpus, next_sentence=False)
    assert "pos_ids" not in next(even.keyed_batches().as_numpy_iterator())


def test_chinese_words_are_those_of_jieba(chinese):
    pytest.importorskip("rjieba")
    from keras_mlm.tokenizers.annotator import chinese_annotator

    annotator = chinese_annotator()
    words, tags = annotator.annotate(["我们在北京大学学习自然语言处理。"])
    assert words[0][0] == "我们" and "北京大学" in words[0] and "".join(words[0]) == "我们在北京大学学习自然语言处理。"
    assert dict(zip(words[0], tags[0], strict=True))["北京大学"] == "nt"
    assert annotator.words(["好 的 ok!"]).starts.tolist()[0] == 0
