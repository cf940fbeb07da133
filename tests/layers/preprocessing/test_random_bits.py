import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.layers.preprocessing import random_bits as rb

ROWS, POSITIONS = 1000, 128
GOLDEN_KEYS = [3718892367, 3824606996, 297429778]
GOLDEN_BITS = [[3024953383, 3624943778], [924676396, 3064081718], [271370439, 3783625873]]


def draw(*, seed=0, stream=rb.MASKS, epoch=0):
    keys = rb.row_keys(stream, seed, epoch, tf.range(ROWS))
    return rb.random_bits(keys[:, None], tf.range(POSITIONS)).numpy()


def test_known_values_do_not_change():
    keys = rb.row_keys(rb.MASKS, 3, 5, tf.constant([0, 1, 2**40 + 7], tf.int64))
    assert keys.numpy().tolist() == GOLDEN_KEYS
    assert rb.random_bits(keys[:, None], tf.range(2)).numpy().tolist() == GOLDEN_BITS


def test_plain_numbers_and_tensors_agree():
    plain = rb.row_keys(rb.MASKS, 2**40 + 3, 7, 9)
    tensors = rb.row_keys(rb.MASKS, 2**40 + 3, tf.constant(7, tf.int64), tf.constant([9]))
    assert plain.numpy().tolist() == tensors.numpy().tolist()
    np.testing.assert_array_equal(
        rb.random_bits(plain, np.arange(50)), rb.random_bits(tensors, tf.range(50, dtype=tf.int64))
    )
    np.testing.assert_array_equal(rb.random_bits(plain.numpy(), 3), rb.random_bits(plain, 3))


def test_every_bit_is_fair():
    bits = draw()
    ones = [(bits >> bit & 1).mean() for bit in range(32)]
    # 128,000 draws: the deviation of a share is 0.0014.
    np.testing.assert_allclose(ones, 0.5, atol=0.007)


def test_values_are_uniform():
    counts = np.bincount(rb.below(tf.constant(draw()), 100).numpy().reshape(-1), minlength=100)
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert len(counts) == 100
    assert 60 < chi_square < 150


@pytest.mark.parametrize(
    "other", [{"epoch": 1}, {"epoch": 2**33}, {"seed": 1}, {"seed": 2**40}, {"stream": rb.SENTENCE_PAIR}]
)
def test_epochs_seeds_and_streams_are_independent(other):
    one, two = rb.uniform(tf.constant(draw())).numpy(), rb.uniform(tf.constant(draw(**other))).numpy()
    assert abs(np.corrcoef(one.reshape(-1), two.reshape(-1))[0, 1]) < 0.015


def test_neighbouring_rows_and_positions_are_independent():
    values = rb.uniform(tf.constant(draw())).numpy()
    assert abs(np.corrcoef(values[:-1].reshape(-1), values[1:].reshape(-1))[0, 1]) < 0.015
    assert abs(np.corrcoef(values[:, :-1].reshape(-1), values[:, 1:].reshape(-1))[0, 1]) < 0.015
    # A row that is another one shifted by a position would repeat its masks.
    assert len(np.unique(draw())) > 0.999 * ROWS * POSITIONS


def test_a_bit_of_the_key_changes_half_of_the_bits():
    keys = rb.row_keys(rb.MASKS, 0, 0, tf.range(ROWS, dtype=tf.int64))
    for bit in (0, 7, 31, 40):
        other = rb.row_keys(rb.MASKS, 0, 0, tf.range(ROWS, dtype=tf.int64) ^ (1 << bit))
        changed = np.unpackbits((keys.numpy() ^ other.numpy()).view(np.uint8)).mean()
        assert abs(changed - 0.5) < 0.02


def test_below_stays_below_and_uniform_below_one():
    edge = tf.constant([0, 2**32 - 1], tf.uint32)
    assert rb.below(edge, 7).numpy().tolist() == [0, 6]
    assert rb.below(edge, tf.constant([1, 2**31 - 1])).numpy().tolist() == [0, 2**31 - 2]
    assert rb.uniform(edge).numpy()[0] == 0 and rb.uniform(edge).numpy()[1] < 1
