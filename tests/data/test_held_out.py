import random

import pytest

from keras_mlm.data import held_out as module
from keras_mlm.data.excluded_sentences import ExcludedSentences
from keras_mlm.data.held_out import HeldOut
from keras_mlm.errors import InputError

LONG = "This sentence has more words than eight of them."


def choose(fingerprints, share=0.05, characters=10):
    held_out = HeldOut(share)
    for fingerprint in fingerprints:
        held_out.offer(fingerprint, characters)
    held_out.choose()
    return [fingerprint for fingerprint in fingerprints if fingerprint in held_out]


@pytest.mark.parametrize(
    ("documents", "chosen"), [(0, 0), (1, 0), (2, 0), (3, 1), (10, 1), (29, 1), (31, 2), (1000, 50)]
)
def test_how_many_are_held_out(documents, chosen):
    assert len(choose(range(documents))) == chosen
    assert choose(range(documents), share=0.0) == []
    assert len(choose(range(documents), share=1.0)) == max(0, documents - 2)


def test_the_choice_depends_on_content_alone():
    fingerprints = [random.Random(0).getrandbits(63) - 2**62 for _ in range(1)] + list(range(-500, 500))
    shuffled = random.Random(1).sample(fingerprints, len(fingerprints))
    assert sorted(choose(fingerprints)) == sorted(choose(shuffled)) == sorted(fingerprints)[:50]


def test_large_corpora_hold_out_a_smaller_share(monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 20)
    assert choose(range(1000)) == list(range(20))
    monkeypatch.setattr(module, "MAX_CHARACTERS", 75)
    assert choose(range(1000)) == list(range(7))
    assert choose(range(1000), characters=1000) == [0]


def test_what_training_contains_is_left_out(tmp_path):
    held_out = HeldOut(0.5)
    held_out.keep([LONG, "Short one.", "This one, which nobody has seen before, stays in place."])
    held_out.keep([LONG.upper()])
    held_out.keep(["我们在学习中文，天天学习。", "好。"])
    held_out.save(str(tmp_path))
    elsewhere = HeldOut.load(str(tmp_path))  # what training has is found in other processes
    documents = [
        ["Other.", "this  sentence has more words than EIGHT of them."],
        ["Short one."],
        ["好。", "我们在学习中文，天天学习。"],
    ]
    assert len(elsewhere.shared(documents)) == 2
    held_out.leave_out(elsewhere.shared(documents[:2]))
    held_out.leave_out(elsewhere.shared(documents[2:]))
    assert list(held_out.remaining()) == [
        ["Short one.", "This one, which nobody has seen before, stays in place."],
        ["好。"],
    ]
    assert held_out.sentences_left_out == 3
    assert held_out.documents_left_out == 1


def test_excluded_sentences_of_lines_and_fields(write_text):
    plain = write_text("plain.txt", f"{LONG} Then it goes on.\nYes.\n")
    first = "The first field of this pair has eight words"
    pairs = write_text("pairs.tsv", f"1\t{first}\tNo.\n0\t我们在学习中文，天天学习。\tx\n")
    excluded = ExcludedSentences([plain, pairs])
    assert excluded.occur_in(["Other", "THIS sentence has  more words than eight of them."])
    assert excluded.occur_in([f"{LONG} Then it goes on."])
    assert excluded.occur_in([first])
    assert excluded.occur_in(["我们在学习中文，天天学习。"])
    assert not excluded.occur_in(["Yes.", "No.", "Then it goes on."])
    assert not ExcludedSentences([]).occur_in([LONG])


def test_exclusions_that_would_do_nothing_are_refused(write_text):
    with pytest.raises(InputError, match=r"short\.txt has no sentence of eight words"):
        ExcludedSentences([write_text("short.txt", "Too short.\n")])
    with pytest.raises(InputError, match=r"bad\.txt is not UTF-8 at byte 1"):
        ExcludedSentences([write_text("bad.txt", b"a\xff")])
    with pytest.raises(InputError, match="does not exist"):
        ExcludedSentences(["nowhere.txt"])


def test_a_saved_choice_is_the_same_choice(tmp_path):
    held_out = HeldOut(0.5)
    for fingerprint in range(-5, 5):
        held_out.offer(fingerprint, 10)
    held_out.choose()
    held_out.keep([LONG[:-1] + "\ud800."])
    text = held_out.save(str(tmp_path))
    loaded = HeldOut.load(str(tmp_path))
    assert [key for key in range(-5, 5) if key in loaded] == list(range(-5, 0))
    assert loaded.shared([[LONG[:-1] + "\ud800."]]) == held_out.shared([[LONG[:-1] + "\ud800."]]) != set()
    assert loaded.save(str(tmp_path)) == text
