"""Runs of element-wise operations that a training step may compile, each to one pass over memory."""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

_COMPILED = contextvars.ContextVar("compiled", default=False)


@contextlib.contextmanager
def compiled_runs(compiled: bool) -> Iterator[None]:
    """Let XLA compile every `fused_run` that is traced inside.

    It is for training steps on TensorFlow whose products TensorFlow's own kernels compute: oneDNN's products in half
    precision are twice as fast as XLA's on a CPU, and what stands between them is several times as fast as TensorFlow
    operation by operation. Nothing of it is ever in an exported graph, which no training step is.

    Args:
        compiled: bool, `False` changes nothing.
    """
    token = _COMPILED.set(compiled)
    try:
        yield
    finally:
        _COMPILED.reset(token)


def fused_run(function: Callable[..., Any], *tensors: Any, **constants: Any) -> Any:
    """Return `function(*tensors, **constants)`, inside `compiled_runs` from one compiled piece.

    There the backward pass computes the run again instead of keeping what is between its ends: memory is slower than
    arithmetic. Sums over many elements should be written in float32; what is kept between runs may be half precision.

    Args:
        function: function of a module, not of an object, in `keras.ops`, without products of matrices or random
            numbers: it is compiled once for all who call it with the same shapes.
        *tensors: tensors or `None`.
        **constants: plain data.

    Returns:
        Tensor or tuple of tensors.

    Example:
        ```python
        fused_run(gelu, keras.random.normal((4, 8)))
        ```
    """
    if not _COMPILED.get():
        return function(*tensors, **constants)
    given = tuple(tensor is not None for tensor in tensors)
    run = _compiled(function, given, tuple(sorted(constants.items())))
    return run(*(tensor for tensor in tensors if tensor is not None))


def fused_loss(function: Callable[..., Any], *tensors: Any) -> Any:
    """Return `function(*tensors)` as `fused_run` does, for a loss: its gradients are computed on the way there.

    Of logits over a vocabulary there is no float32 copy, and their exponentials are taken once.

    Args:
        function: as for `fused_run`. The first of its outputs, a scalar, has gradients, the others have none.
        *tensors: tensors.

    Returns:
        Tuple of tensors.

    Example:
        ```python
        total, weight = fused_loss(lambda x: (keras.ops.sum(x * x), keras.ops.sum(x)), keras.random.normal((4, 8)))
        ```
    """
    return _compiled_loss(function)(*tensors) if _COMPILED.get() else function(*tensors)


@functools.lru_cache(maxsize=256)
def _compiled(function: Callable[..., Any], given: tuple[bool, ...], constants: tuple[Any, ...]) -> Any:
    import tensorflow as tf
    from keras import ops

    def forward(*tensors: Any) -> Any:
        left = iter(tensors)
        with compiled_runs(False):  # one piece, whatever runs it is made of
            return function(*(next(left) if there else None for there in given), **dict(constants))

    def backward(tensors: Any, gradients: Any) -> Any:
        return _and_gradients(forward, tensors, gradients)[1]

    compiled_forward = tf.function(forward, jit_compile=True, autograph=False)
    compiled_backward = tf.function(backward, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        outputs = compiled_forward(*tensors)

        def gradient(*gradients: Any) -> Any:
            return compiled_backward(tensors, gradients if isinstance(outputs, tuple) else gradients[0])

        return outputs, gradient

    return lambda *tensors: run(*map(ops.convert_to_tensor, tensors))


@functools.lru_cache(maxsize=256)
def _compiled_loss(function: Callable[..., Any]) -> Any:
    import tensorflow as tf
    from keras import ops

    def forward(*tensors: Any) -> Any:
        with compiled_runs(False):
            outputs, gradients = _and_gradients(function, tensors, first_only=True)
        return outputs, [gradient for gradient in gradients if gradient is not None]

    def scaled(gradients: Any, factor: Any) -> Any:
        return [gradient * ops.cast(factor, gradient.dtype) for gradient in gradients]

    compiled_forward = tf.function(forward, jit_compile=True, autograph=False)
    compiled_scaled = tf.function(scaled, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        outputs, found = compiled_forward(*tensors)

        def gradient(factor: Any, *_: Any) -> Any:
            left = iter(compiled_scaled(found, factor))
            return [next(left) if tensor.dtype.is_floating else None for tensor in tensors]

        return outputs, gradient

    return lambda *tensors: run(*map(ops.convert_to_tensor, tensors))


def _and_gradients(function: Callable[..., Any], tensors: Any, gradients: Any = None, first_only: bool = False) -> Any:
    """Return the outputs of a function and the gradients of what is floating among its tensors, `None` for the rest."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        inputs = [tensor for tensor in tensors if tensor.dtype.is_floating]
        tape.watch(inputs)
        outputs = function(*tensors)
    wanted = outputs[0] if first_only else outputs
    found = iter(tape.gradient(wanted, inputs, gradients, unconnected_gradients=tf.UnconnectedGradients.ZERO))
    return outputs, [next(found) if tensor.dtype.is_floating else None for tensor in tensors]
