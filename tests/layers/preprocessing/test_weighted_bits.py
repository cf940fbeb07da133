import numpy as np
import tensorflow as tf

from keras_mlm.layers.preprocessing.weighted_bits import weighted_bits


def test_the_first_draw_has_the_chance_of_its_weight():
    weights = np.array([0.001, 1, 2, 5, 0, 1e6 / 1e6], np.float32)
    bits = np.random.default_rng(0).integers(0, 2**32, (100_000, 6), np.uint32)
    first = np.argmax(weighted_bits(tf.constant(bits), tf.constant(np.tile(weights, (100_000, 1)))), axis=1)
    counts, wanted = np.bincount(first, minlength=6), 100_000 * weights / weights.sum()
    assert counts[4] == 0
    known = weights > 0
    assert ((counts - wanted)[known] ** 2 / wanted[known]).sum() < 18.5  # 4 degrees of freedom, one in a thousand


def test_equal_weights_keep_the_order_and_any_size_of_them_is_the_same():
    bits = np.sort(np.random.default_rng(1).integers(0, 2**32, 1000, np.uint32))
    for weight in (1e-4, 1.0, 1e5):
        found = weighted_bits(tf.constant(bits), tf.fill([1000], tf.constant(weight, tf.float32))).numpy()
        assert (np.diff(found.astype(np.int64)) >= 0).all() and len(np.unique(found)) > 980


def test_extreme_numbers_stay_in_order():
    bits = tf.constant([0, 2**32 - 1, 5, 5, 5, 5], tf.uint32)
    weights = tf.constant([1, np.inf, -1, np.nan, 0, 1e30], tf.float32)
    found = weighted_bits(bits, weights).numpy()
    assert found[1] == found[5] > found[0] > found[2] == found[3] == found[4]
