import hashlib
import random

import numpy as np
import pytest

from keras_mlm.data.cleaning.min_hash import HASHES, SHINGLE, min_hash
from keras_mlm.data.cleaning.near_repeats import NearRepeats, band_width, without_near_repeats
from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut


def made_words(count, seed, language="en"):
    generator = random.Random(seed)
    if language == "zh":
        return [chr(generator.randint(0x4E00, 0x9FA5)) for _ in range(count)]
    return ["".join(generator.choices("abcdefghij", k=5)) for _ in range(count)]


def text_of(words, language="en"):
    return ("" if language == "zh" else " ").join(words)


def changed(words, count, language="en"):
    """The words with so many of them, far apart, replaced by others."""
    others = made_words(len(words), 99, language)
    places = set(np.linspace(SHINGLE, len(words) - SHINGLE - 1, count).astype(int).tolist())
    return [other if place in places else word for place, (word, other) in enumerate(zip(words, others, strict=True))]


def similarity(one, two):
    """The share of runs in common, counted."""
    one, two = ({tuple(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)} for words in (one, two))
    return len(one & two) / len(one | two)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("count", [0, 3, 10, 30, 80])
def test_signatures_estimate_the_share_of_runs_in_common(language, count):
    estimates, truths = [], []
    for seed in range(12):
        words = made_words(500, seed, language)
        others = changed(words, count, language)
        signatures = min_hash(text_of(words, language)), min_hash(text_of(others, language))
        estimates.append(np.mean(signatures[0] == signatures[1]))
        truths.append(similarity(words, others))
    truth = np.mean(truths)
    # Five standard errors of a mean of 12 × 128 draws.
    assert abs(np.mean(estimates) - truth) <= 5 * np.sqrt(truth * (1 - truth) / (12 * HASHES))


def test_signatures_are_the_same_on_every_machine():
    text = "The cat sat on the mat. 我们学习中文，今天也是。" * 3
    digest = hashlib.sha256(min_hash(text).astype("<u4").tobytes()).hexdigest()
    assert digest[:16] == "c475426c1ea208f2"
    assert (min_hash(text) == min_hash("  " + text.upper().replace(" ", "\n"))).all()
    assert min_hash("") is None and min_hash(" 。，") is None
    # Of less than a run, the whole is one.
    assert (min_hash("a b c") == min_hash("A  b c")).all() and not (min_hash("a b c") == min_hash("a b d")).any()


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.8, 0.95, 1.0])
def test_bands_find_pairs_that_are_just_similar_enough(threshold):
    width = band_width(threshold)
    found = lambda width: 1 - (1 - threshold**width) ** (HASHES // width)
    assert found(width) >= 0.99 or width == 1
    assert width == HASHES or found(width + 1) < 0.99


def documents_of(texts):
    return [Document("a", number, [text]) for number, text in enumerate(texts, 1)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_stays_and_samples_show_the_pair(language):
    families = [made_words(300, seed, language) for seed in range(20)]
    near = [changed(words, 2, language) for words in families]
    far = [changed(words, 30, language) for words in families]
    assert all(similarity(a, b) > 0.93 for a, b in zip(families, near, strict=True))
    assert all(similarity(a, b) < 0.45 for a, b in zip(families, far, strict=True))
    documents = documents_of(text_of(words, language) for words in [*families, *near, *far])
    left_out = LeftOut()
    kept = list(without_near_repeats(documents, 0.8, left_out))
    assert kept == documents[:20] + documents[40:]
    assert left_out.counts == {"near_duplicate_documents": 20}
    assert len(left_out.samples["near_duplicate_documents"]) == 5
    sample = left_out.samples["near_duplicate_documents"][0]
    place = left_out.places["near_duplicate_documents"][0]
    assert place.startswith("a, line 21, 0.9") and place.endswith("like a, line 1")
    starts = (documents[number].text[:60].strip() for number in (20, 0))
    assert sample == f"{place}: {' | '.join(starts)}"
    assert list(without_near_repeats(documents, 0.2, LeftOut())) == documents[:20]


def test_a_pattern_that_many_share_does_not_hide_the_one_that_is_alike():
    shared = made_words(100, 0)
    documents = documents_of(text_of([*shared, *made_words(60, seed)]) for seed in range(1, 200))
    copy = Document("b", 1, [documents[150].text + " too"])
    left_out = LeftOut()
    assert list(without_near_repeats([*documents, copy], 0.95, left_out)) == documents
    assert left_out.places["near_duplicate_documents"][0].endswith("like a, line 151")


def test_what_has_no_words_is_kept():
    near_repeats = NearRepeats(0.5)
    documents = documents_of(["。。", "。。", "???", "???"])
    assert [near_repeats.find_or_add(document) is None for document in documents] == [True, True, True, False]
    near_repeats.close()
