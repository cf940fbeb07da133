import numpy as np
import pytest

from keras_mlm.metrics import GlobalMean, accuracy_sums


def test_adds_up_numerators_and_denominators():
    mean = GlobalMean(name="m")
    assert float(mean.result()) == 0.0
    mean.update_state(6.0, 3.0)
    mean.update_state(0.0, 1.0)
    mean.update_state(0.0, 0.0)
    assert float(mean.result()) == 1.5  # the mean of the batches' means would be 1 or less
    mean.reset_state()
    assert float(mean.result()) == 0.0


def test_accuracy_counts_weighted_slots_only():
    logits = np.zeros((2, 3, 4), "float32")
    logits[0, 0, 2] = logits[0, 1, 1] = logits[1, 0, 3] = logits[1, 2, 1] = 1.0
    labels = np.array([[2, 1, 0], [0, 0, 1]], "int32")
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    hits, weight = accuracy_sums(labels, logits, weights)
    assert (float(hits), float(weight)) == (2.0, 3.0)


def test_several_largest_logits_share_a_hit_and_labels_below_0_are_none():
    logits = np.array([[1, 1, 0, 0], [2, 0, 2, 2], [0, 0, 0, 1]], "float32")
    hits, weight = accuracy_sums(np.array([1, 2, -100]), logits, np.array([1, 1, 0], "float32"))
    assert float(hits) == pytest.approx(1 / 2 + 1 / 3) and float(weight) == 2.0
