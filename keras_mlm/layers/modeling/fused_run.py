"""Runs of element-wise operations that a training step may compile, each to one pass over memory."""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any

_COMPILED = contextvars.ContextVar("compiled", default=False)
_INSIDE = contextvars.ContextVar("inside", default=False)


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


def inside_fused_run() -> bool:
    """Return whether what is traced now is one of the pieces that XLA compiles for a CPU."""
    return _INSIDE.get()


def fused_run(
    function: Callable[..., Any], *tensors: Any, gradient: Callable[..., Any] | None = None, **constants: Any
) -> Any:
    """Return `function(*tensors, **constants)`, inside `compiled_runs` from one compiled piece.

    There the backward pass computes the run again instead of keeping what is between its ends: memory is slower than
    arithmetic. Sums over many elements should be written in float32; what is kept between runs may be half precision.

    Args:
        function: function of a module, not of an object, in `keras.ops`, without products of matrices or random
            numbers: it is compiled once for all who call it with the same shapes.
        *tensors: tensors or `None`.
        gradient: function that takes the tensors, the outputs, their gradients and the constants, and returns the
            gradients of the tensors, `None` where there is none: what differentiation would find, in fewer passes.
            Defaults to `None`, differentiation.
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
    run = _compiled(function, gradient, given, tuple(sorted(constants.items())))
    return run(*(tensor for tensor in tensors if tensor is not None))


def fused_loss(function: Callable[..., Any], *tensors: Any, with_gradients: Callable[..., Any] | None = None) -> Any:
    """Return `function(*tensors)` as `fused_run` does, for a loss: its gradients are computed on the way there.

    Args:
        function: as for `fused_run`. The first of its outputs, a scalar, has gradients, the others have none.
        *tensors: tensors.
        with_gradients: function that takes the tensors and returns the outputs, and the gradients of the first of them
            in all floating tensors, `None` where nobody wants them. Defaults to `None`, differentiation.

    Returns:
        Tuple of tensors.

    Example:
        ```python
        total, weight = fused_loss(lambda x: (keras.ops.sum(x * x), keras.ops.sum(x)), keras.random.normal((4, 8)))
        ```
    """
    return _compiled_loss(function, with_gradients)(*tensors) if _COMPILED.get() else function(*tensors)


@functools.lru_cache(maxsize=256)
def _compiled(
    function: Callable[..., Any], gradient: Callable[..., Any] | None, given: tuple[bool, ...],
    constants: tuple[Any, ...],
) -> Any:  # fmt: skip
    import tensorflow as tf
    from keras import ops

    def all_of(tensors: Any) -> list[Any]:
        left = iter(tensors)
        return [next(left) if there else None for there in given]

    def forward(*tensors: Any) -> Any:
        with _one_piece():
            return function(*all_of(tensors), **dict(constants))

    def backward(tensors: Any, outputs: Any, gradients: Any) -> Any:
        if gradient is None:
            return _and_gradients(forward, tensors, gradients)[1]
        with _one_piece():
            found = gradient(all_of(tensors), outputs, gradients, **dict(constants))
        return [one for one, there in zip(found, given, strict=True) if there]

    compiled_forward = tf.function(forward, jit_compile=True, autograph=False)
    compiled_backward = tf.function(backward, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        outputs = compiled_forward(*tensors)

        def gradients_of(*gradients: Any) -> Any:
            kept = None if gradient is None else outputs
            return compiled_backward(tensors, kept, gradients if isinstance(outputs, tuple) else gradients[0])

        return outputs, gradients_of

    return lambda *tensors: run(*map(ops.convert_to_tensor, tensors))


@contextlib.contextmanager
def _one_piece() -> Iterator[None]:
    """What is traced inside is one piece, whatever runs it is made of."""
    token = _INSIDE.set(True)
    try:
        with compiled_runs(False):
            yield
    finally:
        _INSIDE.reset(token)


@functools.lru_cache(maxsize=256)
def _compiled_loss(function: Callable[..., Any], with_gradients: Callable[..., Any] | None) -> Any:
    import tensorflow as tf
    from keras import ops

    found_for: list[bool] = []  # which tensors have gradients, as the trace of `forward` finds

    def forward(*tensors: Any) -> Any:
        with _one_piece():
            if with_gradients is None:
                outputs, gradients = _and_gradients(function, tensors, first_only=True)
            else:
                outputs, gradients = with_gradients(*tensors)
        found_for[:] = [gradient is not None for gradient in gradients]
        return outputs, [gradient for gradient in gradients if gradient is not None]

    def scaled(gradients: Any, factor: Any) -> Any:
        return [gradient * ops.cast(factor, gradient.dtype) for gradient in gradients]

    compiled_forward = tf.function(forward, jit_compile=True, autograph=False)
    compiled_scaled = tf.function(scaled, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        outputs, found = compiled_forward(*tensors)

        def gradient(factor: Any, *_: Any) -> Any:
            # As a rule the loss is what is differentiated: then there is no pass over gradients as large as the logits.
            left = iter(tf.cond(tf.equal(factor, 1.0), lambda: list(found), lambda: compiled_scaled(found, factor)))
            return [next(left) if there else None for there in found_for]

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
