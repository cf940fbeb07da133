import numpy as np
import tensorflow as tf

from keras_mlm.data import row_plan
from keras_mlm.data.manifest import Shard, Split
from keras_mlm.data.row_plan import RowPlan


def plan(lengths, *, width=10, seed=0):
    """A plan of shards given as lists of record lengths."""
    shards = [
        Shard(f"{i}", 0, len(records), sum(records), [(n, records.count(n)) for n in sorted(set(records))])
        for i, records in enumerate(lengths)
    ]
    return RowPlan.make(Split(0, 0, sum(map(sum, lengths)), shards), width, seed)


def test_rows_follow_from_the_lengths():
    made = plan([[10, 11, 9, 1], [100], [25, 25]])
    assert made.rows.tolist() == [5, 10, 6]
    assert made.first_rows.tolist() == [0, 5, 15]
    assert made.epoch_rows == 21


def test_groups_hold_two_shards_or_more_and_about_the_wanted_tokens(monkeypatch):
    monkeypatch.setattr(row_plan, "GROUP_TOKENS", 100)
    for shards, size in ((1, 50), (2, 500), (3, 500), (41, 10), (40, 60)):
        made = plan([[size]] * shards)
        sizes = np.diff(made.group_bounds)
        assert sizes.sum() == shards and sizes.max() - sizes.min() <= 1
        assert shards < 2 or sizes.min() >= 2
        assert shards < 10 or size * sizes.max() <= max(200, 3 * size)


def test_a_row_is_found_where_walking_finds_it(monkeypatch):
    monkeypatch.setattr(row_plan, "GROUP_TOKENS", 60)
    made = plan([[10 * n] for n in (1, 3, 2, 5, 4, 1, 2, 2, 6)])
    walked = []
    for epoch in range(3):
        order = made.shard_order(tf.constant(epoch, tf.int64)).numpy()
        assert sorted(order) == list(range(9))
        for group in range(made.groups):
            rows = made.rows[order[made.group_bounds[group] : made.group_bounds[group + 1]]].sum()
            walked += [(epoch * made.groups + group, place) for place in range(rows)]
    assert [made.find_row(row) for row in range(len(walked))] == walked


def test_without_a_seed_the_order_is_the_manifests():
    made = plan([[10]] * 5, seed=None)
    assert made.shard_order(tf.constant(3, tf.int64)).numpy().tolist() == [0, 1, 2, 3, 4]
