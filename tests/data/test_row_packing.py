import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.data import row_packing
from keras_mlm.data.row_packing import SHORTEST, SPECIAL, pack

ROOM = 40
LENGTHS = st.lists(st.integers(1, ROOM - SPECIAL), min_size=1, max_size=300).map(np.array)


def rows_of(packing):
    """The rows as lists of (source, offset, length)."""
    pieces = list(zip(packing.sources.tolist(), packing.offsets.tolist(), packing.lengths.tolist(), strict=True))
    return [pieces[begin:end] for begin, end in zip(packing.splits, packing.splits[1:], strict=False)]


def one_by_one(lengths):
    """The room left in every row, packed by looking at all rows for every span."""
    left = []
    for size in sorted((int(length) + SPECIAL for length in lengths), reverse=True):
        fitting = [(room, row) for row, room in enumerate(left) if room >= size]
        if fitting:
            room, row = min(fitting)
            left[row] = room - size
        else:
            left.append(ROOM - size)
    return sorted(left)


@settings(max_examples=100)
@given(LENGTHS)
def test_nothing_is_lost_and_nothing_overflows(lengths):
    packing = pack(lengths, ROOM)
    rows = rows_of(packing)
    assert all(0 < sum(length + SPECIAL for _, _, length in row) <= ROOM for row in rows)
    pieces = sorted(piece for row in rows for piece in row)
    # What is of one span lies end to end from its beginning to its end.
    ends = np.zeros(len(lengths), int)
    for source, offset, length in pieces:
        assert ends[source] == offset and (length >= min(SHORTEST, lengths[source]))
        ends[source] += length
    np.testing.assert_array_equal(ends, lengths)


@settings(max_examples=60)
@given(LENGTHS)
def test_without_cuts_it_is_best_fit_decreasing(lengths):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_packing, "PADDING", 1.0)
        rows = rows_of(pack(lengths, ROOM))
    assert sorted(ROOM - sum(length + SPECIAL for _, _, length in row) for row in rows) == one_by_one(lengths)
    assert all(offset == 0 for row in rows for _, offset, _ in row)


@settings(max_examples=30)
@given(LENGTHS, st.integers(0, 2**32 - 1))
def test_the_rows_depend_on_the_lengths_and_not_on_their_order(lengths, seed):
    shuffled = np.random.default_rng(seed).permutation(lengths)
    one, two = pack(lengths, ROOM), pack(shuffled, ROOM)
    for name in ("lengths", "offsets", "splits"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(("low", "high"), [(0.02, 1.0), (0.5, 0.9), (0.55, 0.6), (0.3, 0.45)])
@pytest.mark.parametrize("room", [256, 512])
def test_little_is_padding_whatever_the_lengths(low, high, room):
    lengths = np.random.default_rng(0).integers(int(low * room), int(high * room) - SPECIAL + 1, 3000)
    packing = pack(lengths, room)
    padding = 1 - (packing.lengths + SPECIAL).sum() / (room * (len(packing.splits) - 1))
    assert padding < 0.02
    # Cutting is for those that nothing fits beside: uniform lengths need hardly any.
    if low < 0.1:
        assert len(packing.lengths) < 1.01 * len(lengths)


@pytest.mark.parametrize("length", [64, 128, 256, 512])
def test_articles_of_the_usual_lengths_leave_little_padding(length):
    """Records as a news corpus has them: a median of 300 tokens, a few of thousands."""
    tokens = np.exp(np.random.default_rng(0).normal(np.log(300), 0.6, 2500)).astype(int)
    width = length - SPECIAL
    spans = np.concatenate([np.full((tokens // width).sum(), width), (tokens % width)[tokens % width > 0]])
    packing = pack(spans, length)
    used, rows = (packing.lengths + SPECIAL).sum(), len(packing.splits) - 1
    assert 1 - used / (length * rows) < 0.02
    assert len(packing.lengths) < 1.3 * len(spans)
