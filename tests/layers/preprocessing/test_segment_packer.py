import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker, with_word_starts

LENGTH = 12
PACKER = SegmentPacker(LENGTH, start_value=2, end_value=3)
SEGMENTS = st.lists(st.integers(10, 99), max_size=16)
# Tokens, and whether a word begins with each.
MARKED = st.lists(st.tuples(st.integers(10, 99), st.booleans()), max_size=16)


def pack(first, second):
    """One row, token by token: pops from the end of the longer segment, from B where both are equally long."""
    first, second = list(first), list(second)
    while len(first) + len(second) > LENGTH - 3:
        (first if len(first) > len(second) else second).pop()
    ids = [2, *first, 3]
    segments = [0] * len(ids)
    if second:
        ids += [*second, 3]
        segments += [1] * (len(second) + 1)
    fill = LENGTH - len(ids)
    return ids + [0] * fill, segments + [0] * fill, [True] * len(ids) + [False] * fill


@settings(max_examples=60)
@given(st.lists(st.tuples(SEGMENTS, SEGMENTS), min_size=1, max_size=6))
def test_pairs_are_packed_like_the_loop(pairs):
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    packed = PACKER(
        (tf.ragged.constant(first, tf.int32, ragged_rank=1), tf.ragged.constant(second, tf.int32, ragged_rank=1))
    )
    for row, pair in enumerate(pairs):
        ids, segments, mask = pack(*pair)
        assert packed["token_ids"][row].numpy().tolist() == ids
        assert packed["segment_ids"][row].numpy().tolist() == segments
        assert packed["padding_mask"][row].numpy().tolist() == mask


@settings(max_examples=60)
@given(st.lists(MARKED, min_size=1, max_size=6))
def test_one_segment_is_packed_like_its_span(pairs):
    """The segments of a batch take another way than spans of a run of tokens: to the same rows."""
    segments, starts = ([[pair[place] for pair in segment] for segment in pairs] for place in (0, 1))
    packed = PACKER(
        tf.ragged.constant(segments, tf.int32, ragged_rank=1), tf.ragged.constant(starts, tf.bool, ragged_rank=1)
    )
    lengths = np.array([len(segment) for segment in segments], np.int32)
    tokens = tf.constant([*PACKER.special_ids, *itertools.chain(*segments)], tf.int32)
    spans = PACKER.pack_spans(
        tokens,
        with_word_starts(tokens, tf.constant([*PACKER.special_word_starts, *itertools.chain(*starts)], tf.bool)),
        (tf.constant(np.cumsum(lengths) - lengths + 3, tf.int32), tf.constant(lengths)),
    )
    assert packed.keys() == spans.keys()
    for name, value in spans.items():
        np.testing.assert_array_equal(packed[name], value, err_msg=name)


def test_one_segment_uses_the_whole_row():
    packed = PACKER(tf.range(10, 40))
    assert packed["token_ids"].numpy().tolist() == [2, *range(10, 20), 3]
    assert packed["padding_mask"].numpy().all() and not packed["segment_ids"].numpy().any()


def test_word_starts_follow_their_tokens():
    packed = PACKER(([10, 11, 12], [20, 21]), word_starts=([True, False, True], [False, True]))
    # Special tokens begin words, and so does a segment that was cut inside a word.
    expected = [True, True, False, True, True, True, True, True] + [False] * 4
    assert packed["word_starts"].numpy().tolist() == expected


def test_eager_rows_and_batches_agree():
    rng = np.random.default_rng(0)
    first, second = ([list(rng.integers(5, 99, rng.integers(0, 15))) for _ in range(20)] for _ in range(2))
    first, second = (tf.ragged.constant(part, tf.int32, ragged_rank=1) for part in (first, second))
    expected = PACKER((first, second))
    rows = tf.data.Dataset.from_tensor_slices((first, second))
    single = rows.map(lambda a, b: PACKER((a, b))).batch(20).get_single_element()
    batched = rows.batch(6).map(lambda a, b: PACKER((a, b))).unbatch().batch(20).get_single_element()
    for name, value in expected.items():
        np.testing.assert_array_equal(single[name], value)
        np.testing.assert_array_equal(batched[name], value)
        np.testing.assert_array_equal(PACKER((first[3], second[3]))[name], value[3])


@settings(max_examples=60)
@given(st.lists(st.lists(MARKED.filter(bool), min_size=1, max_size=4), max_size=5))
def test_several_texts_share_a_row_like_the_loop(rows):
    for row in rows:
        while sum(len(text) + 2 for text in row) > LENGTH:
            row.pop() if len(row) > 1 else row[0].pop()
    texts, starts = ([[pair[place] for pair in text] for row in rows for text in row] for place in (0, 1))
    lengths = np.array([len(text) for text in texts], np.int32)
    tokens = tf.constant([*PACKER.special_ids, *itertools.chain(*texts)], tf.int32)
    packed = PACKER.pack_rows(
        tokens,
        with_word_starts(tokens, tf.constant([*PACKER.special_word_starts, *itertools.chain(*starts)], tf.bool)),
        tf.constant(np.cumsum(lengths) - lengths + 3, tf.int32),
        tf.constant(lengths),
        tf.constant(np.cumsum([0, *map(len, rows)]), tf.int32),
    )
    for number, row in enumerate(rows):
        expected = {"token_ids": [], "sequence_ids": [], "position_ids": [], "word_starts": []}
        for place, text in enumerate(row):
            expected["token_ids"] += [2, *(token for token, _ in text), 3]
            expected["sequence_ids"] += [place + 1] * (len(text) + 2)
            expected["position_ids"] += range(len(text) + 2)
            expected["word_starts"] += [True, True, *(begins for _, begins in text[1:]), True]
        for name, value in expected.items():
            filled = value + [0] * (LENGTH - len(value))
            assert packed[name][number].numpy().tolist() == filled, name
        used = len(expected["token_ids"])
        assert packed["padding_mask"][number].numpy().tolist() == [True] * used + [False] * (LENGTH - used)
        assert not packed["segment_ids"][number].numpy().any()


def test_config_round_trip_and_bad_arguments():
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PACKER))
    assert copy.get_config() == PACKER.get_config()
    with pytest.raises(InputError, match="at least 3"):
        SegmentPacker(2, 2, 3)
    with pytest.raises(ValueError, match="one or two segments"):
        PACKER(([1], [2], [3]))
