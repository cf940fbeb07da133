import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_mlm.layers.modeling.fused_run import compiled_runs, fused_loss, fused_run, one_piece
from keras_mlm.layers.modeling.sums import column_sums, row_means, row_sums
from keras_mlm.layers.modeling.transposed_product import transposed_product


def weighted(x, more, shift, *, power):
    total = ops.cast(x, "float32") ** power + (0.0 if more is None else ops.cast(more, "float32"))
    return ops.cast(total * ops.cast(shift, "float32"), x.dtype), ops.sum(total)


def outputs_and_gradients(compiled, more):
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 4)), "float32")
    shift = tf.constant([1, 2, 3, 4])

    @tf.function
    def step():
        with compiled_runs(compiled), tf.GradientTape() as tape:
            tape.watch(x)
            first, second = fused_run(weighted, x, more, shift, power=2)
            loss = tf.reduce_sum(first) + 3.0 * second
        return first, second, tape.gradient(loss, x)

    return step(), step.get_concrete_function().graph


def compiled_functions(graph):
    return [function for function in graph.as_graph_def().library.function if function.attr["_XlaMustCompile"].b]


@pytest.mark.parametrize("more", [None, tf.ones((3, 4))])
def test_a_compiled_run_and_its_gradients_equal_the_plain_one(more):
    plain, plain_graph = outputs_and_gradients(False, more)
    compiled, graph = outputs_and_gradients(True, more)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert not compiled_functions(plain_graph)
    assert len(compiled_functions(graph)) == 2  # there and back


def test_runs_of_the_same_function_are_compiled_once():
    def graph_of(calls):
        @tf.function
        def step(x):
            with compiled_runs(True):
                for _ in range(calls):
                    (x, _) = fused_run(weighted, x, None, tf.ones(4), power=2)
            return x

        return step.get_concrete_function(tf.TensorSpec((3, 4))).graph

    assert len(compiled_functions(graph_of(3))) == len(compiled_functions(graph_of(1))) == 1


def test_nothing_is_compiled_after_the_step():
    with pytest.raises(ZeroDivisionError), compiled_runs(True):
        raise ZeroDivisionError
    graph = (
        tf.function(lambda x: fused_run(weighted, x, None, x, power=1)).get_concrete_function(tf.zeros((2, 2))).graph
    )
    assert not compiled_functions(graph)


def test_transposed_product_and_its_gradients():
    random = np.random.default_rng(1)
    x, y = (tf.Variable(random.normal(size=shape).astype("float32")) for shape in ((2, 3, 5), (2, 4, 5)))
    with tf.GradientTape() as tape:
        product = transposed_product(x, y)
    np.testing.assert_allclose(product, np.einsum("brw,bcw->brc", x.numpy(), y.numpy()), rtol=1e-5)
    gradients = tape.gradient(product, [x, y])
    np.testing.assert_allclose(gradients[0], np.broadcast_to(y.numpy().sum(1, keepdims=True), (2, 3, 5)), rtol=1e-5)
    np.testing.assert_allclose(gradients[1], np.broadcast_to(x.numpy().sum(1, keepdims=True), (2, 4, 5)), rtol=1e-5)
    assert keras.backend.backend() == "tensorflow"


def test_sums_in_one_piece_are_the_sums_also_where_no_size_is_known():
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 5)), "float32")

    @tf.function(jit_compile=True, input_signature=[tf.TensorSpec((None, None, None))])
    def sums(x):
        with one_piece():
            return row_sums(x), row_means(x), column_sums(x)

    rows, means, columns = sums(x)
    np.testing.assert_allclose(rows, np.sum(x, axis=-1, keepdims=True), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(means, np.mean(x, axis=-1, keepdims=True), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(columns, np.sum(x, axis=(0, 1)), rtol=1e-5, atol=1e-6)


def loss_and_hits(logits, labels, weights):
    wide = ops.cast(logits, "float32")
    return ops.sum(weights * ops.sum(wide**2, axis=-1)), ops.sum(ops.cast(labels, "float32"))


def loss_hits_and_gradients(logits, labels, weights):
    wide = ops.cast(logits, "float32")
    of_logits = 2.0 * ops.expand_dims(weights, -1) * wide
    return loss_and_hits(logits, labels, weights), [ops.cast(of_logits, logits.dtype), None, ops.sum(wide**2, axis=-1)]


@pytest.mark.parametrize("factor", [1.0, 1 / 3])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_loss_whose_gradients_are_computed_on_the_way_there(dtype, factor):
    logits = tf.cast(np.random.default_rng(0).normal(size=(3, 4)), dtype)
    labels, weights = tf.constant([1, 0, 1]), tf.constant([1.0, 0.0, 2.0])

    def step(compiled):
        with compiled_runs(compiled), tf.GradientTape() as tape:
            tape.watch([logits, weights])
            total, hits = fused_loss(loss_and_hits, loss_hits_and_gradients, logits, labels, weights)
            loss = total * factor
        return total, hits, *tape.gradient(loss, [logits, weights])

    for plain, compiled in zip(tf.function(step)(False), tf.function(step)(True), strict=True):
        assert plain.dtype == compiled.dtype
        np.testing.assert_allclose(tf.cast(plain, "float32"), tf.cast(compiled, "float32"), rtol=1e-2)
