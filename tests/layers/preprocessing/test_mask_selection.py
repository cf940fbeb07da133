import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.layers.preprocessing import mask_selection
from keras_mlm.layers.preprocessing.mask_selection import find_words, select_tokens, select_words

WIDTH = 24


def greedy(scores, candidates, word_starts, limit):
    """The reference implementation's loop: words in random order, one that would overflow is skipped."""
    words = []
    for position in range(len(candidates)):
        if word_starts[position] or not words:
            words.append([])
        words[-1].append(position)
    words = [[position for position in word if candidates[position]] for word in words]
    order = sorted((w for w in range(len(words)) if words[w]), key=lambda w: -int(scores[w]))
    selected = []
    for w in order:
        if len(selected) + len(words[w]) <= limit:
            selected += words[w]
    return sorted(selected)


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.1, 0.9), st.floats(0.5, 1))
def test_whole_words_are_what_the_loop_selects(seed, limit, start_share, candidate_share):
    rng = np.random.default_rng(seed)
    scores = 1 + rng.permutation(1000)[: 8 * WIDTH].reshape(8, WIDTH).astype(np.uint32)
    candidates = rng.random((8, WIDTH)) < candidate_share
    starts = rng.random((8, WIDTH)) < start_share
    limits = np.minimum(limit + np.arange(8), 12).astype(np.int32)[:, None]
    words = find_words(tf.constant(candidates), tf.constant(starts))
    found = select_words(tf.constant(scores), tf.constant(candidates), words, tf.constant(limits), 12)
    for row in range(8):
        assert np.flatnonzero(found[row]).tolist() == greedy(scores[row], candidates[row], starts[row], limits[row])


def test_how_many_words_are_looked_at_first_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    scores = tf.constant(1 + rng.permutation(200 * WIDTH).reshape(200, WIDTH), tf.uint32)
    candidates = tf.constant(rng.random((200, WIDTH)) < 0.9)
    words = find_words(candidates, tf.constant(rng.random((200, WIDTH)) < 0.4))
    limits = tf.constant(rng.integers(1, 13, (200, 1)), tf.int32)
    expected = select_words(scores, candidates, words, limits, 12)
    monkeypatch.setattr(mask_selection, "MORE_WORDS", 4 - 12)  # four words do not fill every row: all are looked at
    np.testing.assert_array_equal(select_words(scores, candidates, words, limits, 12), expected)
    monkeypatch.setattr(mask_selection, "NARROW", 1)  # wide rows
    np.testing.assert_array_equal(tf.function(select_words)(scores, candidates, words, limits, 12), expected)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_tokens_are_those_with_the_highest_scores(seed, limit):
    rng = np.random.default_rng(seed)
    scores = 1 + rng.permutation(1000)[:WIDTH].astype(np.uint32)
    candidates = rng.random(WIDTH) < 0.7
    found = select_tokens(tf.constant(scores[None]), tf.constant(candidates[None]), tf.constant([[limit]]), 30)[0]
    best = sorted(np.flatnonzero(candidates), key=lambda position: -int(scores[position]))[:limit]
    assert np.flatnonzero(found).tolist() == sorted(best)
