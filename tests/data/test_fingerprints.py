import pytest

from keras_mlm.data.fingerprints import FingerprintSet, fingerprint, is_telling, normalize


def test_case_and_space_do_not_count():
    assert normalize("  Ein\u00a0Satz\nÜBER \t zwei Zeilen ") == "ein satz über zwei zeilen"


def test_fingerprints_are_the_same_everywhere():
    assert fingerprint("a text") == 6008937231813765456  # another value splits every corpus anew
    assert fingerprint("a text") != fingerprint("a texts")
    assert len({fingerprint(str(number)) >> 56 for number in range(5000)}) == 256


@pytest.mark.parametrize(
    ("text", "telling"),
    [
        ("one two three four five six seven", False),
        ("one two three four five six seven eight", True),
        ("un deux trois quatre cinq six sept", False),
        ("à deux trois quatre cinq six sept huit", True),
        ("东富山站是隶属", False),
        ("东富山站是隶属于", True),
        ("车站，编号。为：十", False),
        ("jr货物会以本站作", True),
        ("ながいぶんです", False),
        ("ながいぶんですね", True),
        ("", False),
    ],
)
def test_eight_words_tell(text, telling):
    assert is_telling(text) is telling


def test_a_set_of_fingerprints():
    seen = FingerprintSet()
    values = [0, 1, -1, 2**63 - 1, -(2**63)]
    assert [seen.add(value) for value in [*values, *values]] == [True] * 5 + [False] * 5
    seen.close()
