import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.layers.modeling.encoder_block import EncoderBlock
from keras_mlm.layers.modeling.fused_run import one_piece


def make(**arguments):
    block = EncoderBlock(2, 8, 16, **arguments)
    block.build((None, None, 8))
    return block


def zero_sublayers(block):
    for dense in (block.attention.output_dense, block.output_dense):
        dense.set_weights([np.zeros(w.shape) for w in dense.get_weights()])


def test_pre_norm_adds_to_an_untouched_stream_and_post_norm_normalises_it():
    x = np.random.default_rng(0).normal(size=(2, 3, 8), scale=5.0, loc=2.0).astype("float32")
    pre, post = make(norm="pre"), make(norm="post")
    zero_sublayers(pre)
    zero_sublayers(post)
    np.testing.assert_array_equal(pre(x), x)
    normalised = np.asarray(post(x))
    np.testing.assert_allclose(normalised.mean(-1), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalised.var(-1), 1.0, atol=1e-4)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_config_round_trip(norm):
    block = make(norm=norm, rotary=True, dropout=0.1, layer_norm_epsilon=1e-6, initializer_range=0.3)
    copy = EncoderBlock.from_config(block.get_config())
    copy.build((None, None, 8))
    copy.set_weights(block.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    np.testing.assert_array_equal(copy(x), block(x))
    assert copy.get_config() == block.get_config()


def test_kernels_do_not_start_with_the_same_numbers():
    keras.utils.set_random_seed(0)
    block = EncoderBlock(2, 8, 8)
    block.build((None, None, 8))
    assert np.abs(block.intermediate_dense.kernel - block.output_dense.kernel).max() > 0.01
    deviation = np.std(np.asarray(block.attention.query_key_value.kernel))
    assert 0.01 < deviation < 0.03


def test_without_dropout_there_is_no_random_state():
    assert not any("seed" in variable.path for variable in make().variables)
    assert sum("seed" in variable.path for variable in make(dropout=0.1).variables) == 3


def test_a_compiled_step_computes_nothing_again_for_the_blocks_above():
    """With dropout, XLA computed the gradient of the residual stream anew for every bias below, from the top on."""

    def instructions(blocks):
        layers = [make(dropout=0.1) for _ in range(blocks)]
        weights = [variable.value for layer in layers for variable in layer.trainable_variables]

        @tf.function(jit_compile=True)
        def gradients(x):
            with one_piece(), tf.GradientTape() as tape:
                for layer in layers:
                    x = layer(x, training=True)
                loss = tf.reduce_sum(tf.square(x))
            return tape.gradient(loss, weights)

        compiled = gradients.experimental_get_compiler_ir(tf.ones((2, 8, 8)))(stage="optimized_hlo")
        return compiled.count(" = ")

    one, two, three = map(instructions, (1, 2, 3))
    assert three - two < 1.1 * (two - one)
