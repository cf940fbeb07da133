import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.layers.preprocessing.word_spans import SPAN_LENGTH_SHARES, word_spans

WIDTH = 40


def lengths_of(bits):
    bounds = [round(SPAN_LENGTH_SHARES[: k + 1].sum() * 2**32) for k in range(9)]
    return [1 + sum(int(number) >= bound for bound in bounds) for number in bits]


def loop(bits, sizes):
    """The spans of a row as lists of words, word by word."""
    spans, lengths, left, broken = [], iter(lengths_of(bits)), 0, False
    for word, size in enumerate(sizes):
        if not size:
            broken = True
            continue
        if not left or broken:
            spans.append([])
        left = (left or next(lengths)) - 1
        broken = False
        spans[-1].append(word)
    return spans


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1))
def test_spans_are_those_of_the_loop(seed, share):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, (4, WIDTH), np.uint32)
    sizes = (rng.integers(1, 4, (4, WIDTH)) * (rng.random((4, WIDTH)) < share)).astype(np.int32)
    found = word_spans(tf.constant(bits), tf.constant(sizes)).numpy()
    assert found.min() >= 0 and found.max() < WIDTH
    for row in range(4):
        there = np.flatnonzero(sizes[row])
        numbers = found[row, there]
        assert (np.diff(numbers) >= 0).all()
        spans = [there[numbers == number].tolist() for number in np.unique(numbers)]
        assert spans == loop(bits[row], sizes[row])


def test_lengths_are_geometric_up_to_ten_words():
    """The first six spans of a row of 64 words, which its end never cuts."""
    bits = np.random.default_rng(0).integers(0, 2**32, (4000, 64), np.uint32)
    spans = word_spans(tf.constant(bits), tf.ones([4000, 64], tf.int32)).numpy()
    counts = np.stack([(spans == span).sum(1) for span in range(6)], axis=1).ravel()
    wanted = 0.2 * 0.8 ** np.arange(10)
    wanted *= counts.size / wanted.sum()
    found = np.bincount(counts, minlength=11)[1:]
    assert found.size == 10 and abs(counts.mean() - 3.797) < 0.06
    assert ((found - wanted) ** 2 / wanted).sum() < 27.9  # 9 degrees of freedom, one in a thousand
