import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from keras_mlm.tag_scheme import complete_tags, first_illegal, is_legal, mended, scheme_of, spans, split_tag

BIO = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y-Z", "I-Y-Z"]), max_size=9)
BIOES = st.lists(st.sampled_from(["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y"]), max_size=9)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O", "B-PER", "I-PER"], "BIO"),
        (["O", "I-PER"], "BIO"),
        (["O", "S-PER"], "BIOES"),
        (["B-X", "E-X", "O"], "BIOES"),
        (["NOUN", "VERB", "X"], None),
        (["O", "B-PER", "PERSON"], None),
        (["O", "B-"], None),
        (["O"], None),
        ([], None),
    ],
)
def test_the_scheme_is_told_by_the_tags(tags, scheme):
    assert scheme_of(tags) == scheme


@given(BIO | BIOES)
def test_spans_are_those_of_the_conll_evaluation(tags):
    assert [(label, start, end - 1) for start, end, label in spans(tags)] == get_entities(tags)


@given(BIO)
def test_mended_bio_is_legal_and_means_the_same(tags):
    check_mended(tags, "BIO")


@given(BIOES)
def test_mended_bioes_is_legal_and_means_the_same(tags):
    check_mended(tags, "BIOES")


def check_mended(tags, scheme):
    found = mended(tags, scheme)
    assert first_illegal(found, scheme) is None
    assert spans(found) == spans(tags)
    # What is legal stays, and nothing else does.
    assert (found == tags) == (first_illegal(tags, scheme) is None)


def test_the_older_scheme_whose_spans_begin_with_i_is_repaired_to_what_it_means():
    tags = ["I-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-ORG"]
    assert mended(tags, "BIO") == ["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "B-ORG"]
    assert first_illegal(tags, "BIO") == 0 and first_illegal(tags[3:], "BIO") == 0
    assert first_illegal(["O", "B-X", "I-Y"], "BIO") == 2
    assert first_illegal(["O", "B-X"], "BIOES") == 2, "a span that the sentence does not end"


def test_bioes_ends_every_span():
    assert is_legal("B-X", "E-X", "BIOES") and is_legal("S-X", "S-X", "BIOES") and is_legal("E-X", "O", "BIOES")
    assert not any(is_legal(*pair, "BIOES") for pair in [("B-X", "O"), ("B-X", "E-Y"), ("S-X", "E-X"), ("I-X", "B-X")])


def test_tags_are_split_at_their_first_dash_and_completed():
    assert split_tag("B-creative-work") == ("B", "creative-work")
    assert split_tag("O") == ("O", "") and split_tag("NOUN") == split_tag("X-Y") == split_tag("B-") == ("", "")
    assert complete_tags(["O", "I-LOC"], "BIO") == ["B-LOC", "I-LOC", "O"]
    assert complete_tags(["S-A"], "BIOES") == ["B-A", "E-A", "I-A", "O", "S-A"]
