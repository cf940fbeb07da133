import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.inspection.repeats import RepeatCounter
from keras_mlm.inspection.token_hashes import run_hashes

RUNS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=30)


@settings(max_examples=30)
@given(first=RUNS, second=RUNS)
def test_copies_are_those_of_a_counter(first, second):
    runs = [tuple(run) for run in [*first, *second]]
    lengths = np.array([len(run) for run in runs])
    places = np.cumsum(lengths) - lengths
    hashes = run_hashes(np.concatenate(runs), places)
    with RepeatCounter() as counter:
        for begin in range(0, len(runs), 7):
            part = slice(begin, begin + 7)
            counter.add(hashes[part], places[part], lengths[part])
        half = int(places[len(first)])
        found = counter.count(second_half=half, most_frequent=3)
    counts = collections.Counter(runs)
    assert (found.runs, found.copies) == (len(runs), len(runs) - len(counts))
    assert found.copied_tokens == lengths.sum() - sum(map(len, counts))
    assert found.shared == sum(run in runs[: len(first)] for run in runs[len(first) :])
    repeated = [(-count, int(places[runs.index(run)]), len(run)) for run, count in counts.items() if count > 1]
    assert [(-run.times, run.place, run.tokens) for run in found.most_frequent] == sorted(repeated)[:3]


@settings(max_examples=30)
@given(tokens=st.lists(st.integers(0, 65535), min_size=2, max_size=30), data=st.data())
def test_parts_of_a_run_add_up(tokens, data):
    cut = data.draw(st.integers(1, len(tokens) - 1))
    tokens = np.array(tokens, np.uint16)
    start = np.array([0])
    parts = run_hashes(tokens[:cut], start) + run_hashes(tokens[cut:], start, before=cut)
    assert parts == run_hashes(tokens, start)
    swapped = run_hashes(tokens[::-1], start)
    assert (swapped == run_hashes(tokens, start)) == (tokens[::-1] == tokens).all()
