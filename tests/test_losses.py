import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.losses import (
    cosine_distance_sums,
    cross_entropy_sums,
    cross_entropy_with_gradients,
    divergence_sums,
    weighted_mean_loss,
)
from keras_mlm.metrics import accuracy_sums

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 7, (4, 3)).astype("int32")
LOGITS = GENERATOR.normal(size=(4, 3, 7)).astype("float32")
WEIGHTS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], "float32")


def loss_and_gradient(labels, logits, weights):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = weighted_mean_loss(*cross_entropy_sums(labels, logits, weights))
    return float(loss), tape.gradient(loss, logits).numpy()


def test_is_the_mean_over_the_weights():
    log_probabilities = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
    cross_entropy = -np.take_along_axis(log_probabilities, LABELS[..., None], -1)[..., 0]
    loss, _ = loss_and_gradient(LABELS, LOGITS, WEIGHTS)
    np.testing.assert_allclose(loss, (cross_entropy * WEIGHTS).sum() / WEIGHTS.sum(), rtol=1e-6)
    total, weight = cross_entropy_sums(LABELS, LOGITS, WEIGHTS * 0.5)
    np.testing.assert_allclose([total, weight], [(cross_entropy * WEIGHTS).sum() / 2, 3.0], rtol=1e-6)


def test_slots_without_weight_change_nothing():
    labels, logits = LABELS.copy(), LOGITS.copy()
    labels[WEIGHTS == 0], logits[WEIGHTS == 0] = 0, 50.0
    loss, gradient = loss_and_gradient(LABELS, LOGITS, WEIGHTS)
    other_loss, other_gradient = loss_and_gradient(labels, logits, WEIGHTS)
    assert loss == other_loss
    np.testing.assert_array_equal(gradient[WEIGHTS == 1], other_gradient[WEIGHTS == 1])
    assert np.all(gradient[WEIGHTS == 0] == 0) and np.all(other_gradient[WEIGHTS == 0] == 0)


def test_no_weight_at_all_gives_zero():
    loss, gradient = loss_and_gradient(LABELS, LOGITS, np.zeros_like(WEIGHTS))
    assert loss == 0.0 and np.all(gradient == 0.0)


def test_half_precision_logits_are_summed_in_float32():
    total, _ = cross_entropy_sums(LABELS, tf.cast(LOGITS, "bfloat16"), WEIGHTS)
    assert total.dtype == tf.float32


@pytest.mark.parametrize("whole", [6.0, 20.0, 0.0])
def test_gradients_written_out_are_those_of_the_formula(whole):
    logits, labels = LOGITS.copy(), LABELS.copy()
    logits[0, 0, :2] = 9.0  # two largest, one of them the label's
    labels[0, 0], labels[0, 2] = 1, -100
    (share, total, hits, weight), gradients = cross_entropy_with_gradients(labels, logits, WEIGHTS, tf.constant(whole))
    expected = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(expected)
        plain_total, plain_weight = cross_entropy_sums(np.maximum(labels, 0), expected, WEIGHTS)
        plain_share = weighted_mean_loss(plain_total, whole)
    np.testing.assert_allclose([share, total, weight], [plain_share, plain_total, plain_weight], rtol=1e-6)
    np.testing.assert_allclose(hits, accuracy_sums(labels, logits, WEIGHTS)[0], rtol=1e-6)
    assert hits % 1 == 0.5 and [gradient is None for gradient in gradients] == [True, False, True, True]
    np.testing.assert_allclose(gradients[1], tape.gradient(plain_share, expected), rtol=1e-5, atol=1e-8)


def test_a_step_that_is_compiled_needs_no_known_shapes():
    @tf.function(
        jit_compile=True,
        input_signature=[tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, None, None)),
                         tf.TensorSpec((None, None))],
    )  # fmt: skip
    def compiled(labels, logits, weights):
        (share, total, hits, weight), gradients = cross_entropy_with_gradients(labels, logits, weights, 6.0)
        return share, total, hits, weight, gradients[1], *accuracy_sums(labels, logits, weights)

    *figures, gradient, hits, weight = compiled(LABELS, LOGITS, WEIGHTS)
    outputs, gradients = cross_entropy_with_gradients(LABELS, LOGITS, WEIGHTS, 6.0)
    np.testing.assert_allclose(figures, outputs, rtol=1e-5)
    np.testing.assert_allclose(gradient, gradients[1], rtol=1e-5, atol=1e-7)
    assert (hits, weight) == (figures[2], figures[3])


def test_half_precision_logits_have_gradients_of_their_type_and_a_loss_of_their_values():
    logits = tf.cast(LOGITS, "bfloat16")
    outputs, gradients = cross_entropy_with_gradients(LABELS, logits, WEIGHTS, tf.constant(6.0))
    exact, wanted = cross_entropy_with_gradients(LABELS, tf.cast(logits, "float32"), WEIGHTS, tf.constant(6.0))
    assert gradients[1].dtype == tf.bfloat16
    np.testing.assert_allclose(outputs, exact, rtol=1e-6)
    np.testing.assert_allclose(tf.cast(gradients[1], "float32"), wanted[1], rtol=5e-3, atol=1e-6)


def test_divergence_is_that_of_softened_distributions_and_teaches_the_student_only():
    teacher = GENERATOR.normal(size=LOGITS.shape).astype("float32") * 3
    wanted, found = (np.exp(logits / 2.5) for logits in (teacher, LOGITS))
    wanted, found = (values / values.sum(-1, keepdims=True) for values in (wanted, found))
    divergence = (wanted * np.log(wanted / found)).sum(-1)
    inputs = [tf.constant(teacher), tf.constant(LOGITS)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total, weight = divergence_sums(*inputs, WEIGHTS, 2.5)
    np.testing.assert_allclose([total, weight], [2.5**2 * (divergence * WEIGHTS).sum(), 6.0], rtol=1e-5)
    of_teacher, of_student = tape.gradient(total, inputs)
    assert of_teacher is None
    # T² · KL has the gradient T · (q - p), which is why T² is there.
    np.testing.assert_allclose(of_student, 2.5 * (found - wanted) * WEIGHTS[..., None], atol=1e-5)


def test_cosine_distance_does_not_depend_on_lengths_and_is_finite_at_zero():
    wanted, found = GENERATOR.normal(size=(2, 4, 3, 7)).astype("float32")
    cosine = (wanted * found).sum(-1) / np.linalg.norm(wanted, axis=-1) / np.linalg.norm(found, axis=-1)
    for scale in (1.0, 100.0):
        total, weight = cosine_distance_sums(wanted * scale, found / scale, WEIGHTS)
        np.testing.assert_allclose([total, weight], [((1 - cosine) * WEIGHTS).sum(), 6.0], rtol=1e-5)
    zeros = tf.zeros_like(found)
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        total, _ = cosine_distance_sums(wanted, zeros, WEIGHTS)
    assert float(total) == 6.0 and np.isfinite(tape.gradient(total, zeros)).all()
