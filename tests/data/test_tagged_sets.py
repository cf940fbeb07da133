import logging

import pytest

from keras_mlm.data.tagged_sets import check_tags, held_out_sentences, legal_tags, split_words, tag_names
from keras_mlm.data.tagged_words import TaggedWords
from keras_mlm.errors import InputError
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


def sentences(*tags, source="a.tsv"):
    """A sentence of each string of tags, on consecutive lines with a blank one between."""
    found, line = [], 1
    for of_words in tags:
        of_words = of_words.split()
        lines = list(range(line, line + len(of_words)))
        found.append(TaggedWords(source, lines, [f"w{number}" for number in lines], of_words))
        line += len(of_words) + 1
    return found


def test_tags_are_sorted_and_those_of_spans_completed(caplog):
    assert tag_names(sentences("X NOUN", "NOUN X VERB")) == ["NOUN", "VERB", "X"]
    assert "1 tags stand at one word only: VERB" in caplog.text
    assert tag_names(sentences("VERB NOUN", "NOUN X")) == ["NOUN", "VERB", "X"]
    assert tag_names(sentences("O B-PER O", "O S-LOC")) == [
        "B-LOC", "B-PER", "E-LOC", "E-PER", "I-LOC", "I-PER", "O", "S-LOC", "S-PER"]  # fmt: skip


def test_tags_that_cannot_be_learned():
    with pytest.raises(InputError, match=r"a.tsv: all 3 tags are 'O'"):
        tag_names(sentences("O O O"))
    with pytest.raises(InputError, match="12 different tags of 12 words"):
        tag_names(sentences(" ".join(f"tag{number}" for number in range(12))))
    with pytest.raises(InputError, match=r"a.tsv, line 5: 'PERSON': a tag beside 'B-PER'"):
        tag_names(sentences("O B-PER I-PER", "PERSON O"))


def test_tags_that_training_has_not_are_listed_with_their_lines():
    with pytest.raises(InputError, match=r"b.tsv has 2 tags that training has not: 'ADV' \(line 4\), 'X' \(line 2\)"):
        check_tags(sentences("NOUN X", "ADV X", source="b.tsv"), ["NOUN", "VERB"])
    check_tags(sentences("NOUN"), ["NOUN", "VERB"])


def test_an_i_tag_after_o_is_repaired_and_said_or_refused_with_its_line(caplog):
    found = sentences("O I-PER I-PER", "B-LOC I-PER O", "O B-LOC")
    with caplog.at_level(logging.WARNING):
        repaired = legal_tags(found)
    assert [sentence.tags for sentence in repaired] == [
        ["O", "B-PER", "I-PER"],
        ["B-LOC", "B-PER", "O"],
        ["O", "B-LOC"],
    ]
    assert "2 tags repaired to BIO, the first: a.tsv, line 2: I-PER after O" in caplog.text
    assert repaired[2] is found[2] and found[0].tags[1] == "I-PER", "what it was given stays"
    with pytest.raises(InputError, match=r"a.tsv, line 2: I-PER after O is no BIO.*--illegal-tags repair"):
        legal_tags(found, refuse=True)
    with pytest.raises(InputError, match=r"a.tsv, line 2: the end of a sentence after B-X is no BIOES"):
        legal_tags(sentences("S-X B-X"), refuse=True)
    assert legal_tags(sentences("X NOUN"), refuse=True)[0].tags == ["X", "NOUN"]


def test_words_are_split_as_the_tokenizer_splits_them_and_their_tags_say_what_belongs_together():
    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, *"我爱北京", "love", "##lace", "##s"])
    found = [TaggedWords("f", [1, 2, 3], ["我", "爱", "北京"], ["PRON", "VERB", "PROPN"]),
             TaggedWords("f", [5, 6, 7], ["\u200b", "Lovelaces", "北love！"], ["X", "PROPN", "X"])]  # fmt: skip
    first, second = split_words(found, tokenizer)
    assert first.words == ["我", "爱", "北", "京"] and first.tags == ["B-PRON", "B-VERB", "B-PROPN", "I-PROPN"]
    assert first.lines == [1, 2, 3, 3] and second.words == ["\u200b", "Lovelaces", "北", "love", "！"]
    assert second.tags == ["B-X", "B-PROPN", "B-X", "I-X", "I-X"]
    with pytest.raises(InputError, match="spell spans already"):
        split_words([first, second], tokenizer)


def test_equal_sentences_fall_on_one_side_and_every_tag_stays_in_the_first():
    found = sentences(*["NOUN VERB", "ADV NOUN", "VERB NOUN"] * 100, "X NOUN")
    again = [TaggedWords("b.tsv", sentence.lines, sentence.words, sentence.tags) for sentence in found]
    kept, held = held_out_sentences([*found, *again])
    assert 20 < len(held) < 120 and len(kept) + len(held) == 602
    assert not {tuple(sentence.words) for sentence in kept} & {tuple(sentence.words) for sentence in held}
    assert "X" in {tag for sentence in kept for tag in sentence.tags}
    assert "X" in {tag for sentence in held_out_sentences(found, 99)[0] for tag in sentence.tags}
    with pytest.raises(InputError, match="too few"):
        held_out_sentences(found[:1])
