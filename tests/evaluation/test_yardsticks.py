import itertools
import math

import numpy as np
import pytest

from keras_mlm.data.token_record import TokenRecord
from keras_mlm.errors import InputError
from keras_mlm.evaluation.yardsticks import Yardsticks

V = 7
RUNS = [[1, 2, 3, 1, 2, 3], [4], [], [1, 2, 4, 1, 5, 3], [2, 2, 2]]


def make(runs, vocabulary_size=V):
    records = [
        TokenRecord(index, np.array(run, "int32"), np.ones(len(run), bool), np.ones(len(run), bool))
        for index, run in enumerate(runs)
    ]
    return Yardsticks(records, vocabulary_size)


def brute_force(runs, left, token, right):
    """The definition, by going through all tokens each time."""
    tokens = [token for run in runs for token in run]
    unigram = (tokens.count(token) + 1) / (len(tokens) + V)

    def witten_bell(followers, fallback):
        count, types = followers.count(token), len(set(followers))
        if not followers:
            return fallback, 0.0
        return (count + types * fallback) / (len(followers) + types), len(followers) / (len(followers) + types)

    pairs = [(a, b) for run in runs for a, b in itertools.pairwise(run)]
    triples = [(a, b, c) for run in runs for a, b, c in zip(run, run[1:], run[2:], strict=False)]
    from_left, weight_left = witten_bell([b for a, b in pairs if a == left], unigram)
    from_right, weight_right = witten_bell([a for a, b in pairs if b == right], unigram)
    side = unigram
    if weight_left + weight_right:
        side = (weight_left * from_left + weight_right * from_right) / (weight_left + weight_right)
    return witten_bell([b for a, b, c in triples if (a, c) == (left, right)], side)[0]


def test_unigram_is_add_one():
    loss = make(RUNS).unigram_loss([1, 2, 6])
    np.testing.assert_allclose(np.exp(-loss), [5 / 23, 7 / 23, 1 / 23])


def test_neighbours_agree_with_the_definition_everywhere():
    cases = [(left, token, right) for left in range(-1, V) for token in range(V) for right in range(-1, V)]
    loss = make(RUNS).neighbour_loss(*np.array(cases).T)
    expected = [-math.log(brute_force(RUNS, *case)) for case in cases]
    np.testing.assert_allclose(loss, expected, rtol=1e-12)


def test_probabilities_of_every_context_sum_to_one():
    yardsticks = make(RUNS)
    for left in range(-1, V):
        for right in range(-1, V):
            loss = yardsticks.neighbour_loss(np.full(V, left), np.arange(V), np.full(V, right))
            assert np.exp(-loss).sum() == pytest.approx(1)


@pytest.mark.parametrize("runs", [[], [[3]], [[1, 2]], [[1], [2], [3]]])
def test_corpora_without_neighbours_fall_back(runs):
    yardsticks = make(runs)
    np.testing.assert_allclose(yardsticks.neighbour_loss([5], [3], [6]), yardsticks.unigram_loss([3]))


def test_the_largest_ids_do_not_overflow():
    size = 2**21 - 1
    yardsticks = make([[size - 3, size - 2, size - 1]], size)
    seen, unseen = yardsticks.neighbour_loss([size - 3, size - 3], [size - 2, size - 1], [size - 1, size - 1])
    assert seen < math.log(3) < unseen
    with pytest.raises(InputError, match="2097152"):
        make([], 2**21)
