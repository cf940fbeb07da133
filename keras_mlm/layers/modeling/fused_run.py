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


@contextlib.contextmanager
def one_piece(compiled: bool = True) -> Iterator[None]:
    """Say that XLA compiles all that is traced inside for a CPU, in one piece, whatever runs it is made of.

    Args:
        compiled: bool, `False` changes nothing. Defaults to `True`.
    """
    token = _INSIDE.set(compiled or _INSIDE.get())
    try:
        with compiled_runs(_COMPILED.get() and not compiled):
            yield
    finally:
        _INSIDE.reset(token)


def in_one_piece() -> bool:
    """Return whether what is traced now is, or is part of, a piece that XLA compiles for a CPU."""
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
    compiled = _COMPILED.get()
    if not compiled and (gradient is None or not _INSIDE.get()):
        return function(*tensors, **constants)
    given = tuple(tensor is not None for tensor in tensors)
    run = _run(function, gradient, given, tuple(sorted(constants.items())), compiled)
    return run(*(tensor for tensor in tensors if tensor is not None))


def fused_loss(function: Callable[..., Any], with_gradients: Callable[..., Any], *tensors: Any) -> Any:
    """Return `function(*tensors)` as `fused_run` does, for a loss: its gradients are computed on the way there.

    Args:
        function: as for `fused_run`. The first of its outputs, a scalar, has gradients, the others have none.
        with_gradients: function that takes the tensors and returns the outputs, and the gradients of the first of them
            in all tensors, `None` where there is none or nobody wants it.
        *tensors: tensors.

    Returns:
        Tuple of tensors.

    Example:
        ```python
        square = lambda x: (keras.ops.sum(x * x), keras.ops.sum(x))
        total, weight = fused_loss(square, lambda x: (square(x), [2.0 * x]), keras.random.normal((4, 8)))
        ```
    """
    compiled = _COMPILED.get()
    if not compiled and not _INSIDE.get():
        return function(*tensors)
    return _loss(with_gradients, compiled)(*tensors)


@functools.lru_cache(maxsize=256)
def _run(
    function: Callable[..., Any], gradient: Callable[..., Any] | None, given: tuple[bool, ...],
    constants: tuple[Any, ...], compiled: bool,
) -> Any:  # fmt: skip
    import tensorflow as tf
    from keras import ops

    def all_of(tensors: Any) -> list[Any]:
        left = iter(tensors)
        return [next(left) if is_given else None for is_given in given]

    def forward(*tensors: Any) -> Any:
        with one_piece():
            return function(*all_of(tensors), **dict(constants))

    def backward(tensors: Any, outputs: Any, gradients: Any) -> Any:
        if gradient is None:
            return _gradients(forward, tensors, gradients)
        with one_piece():
            found = gradient(all_of(tensors), outputs, gradients, **dict(constants))
        return [one for one, is_given in zip(found, given, strict=True) if is_given]

    there, back = (_compiled(one) if compiled else one for one in (forward, backward))

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        outputs = there(*tensors)

        def gradients_of(*gradients: Any) -> Any:
            kept = None if gradient is None else outputs
            return back(tensors, kept, gradients if isinstance(outputs, tuple) else gradients[0])

        return outputs, gradients_of

    return lambda *tensors: run(*map(ops.convert_to_tensor, tensors))


@functools.lru_cache(maxsize=256)
def _loss(with_gradients: Callable[..., Any], compiled: bool) -> Any:
    import tensorflow as tf
    from keras import ops

    found_for: list[bool] = []  # which tensors have gradients, as the trace of `forward` finds

    def forward(*tensors: Any) -> Any:
        with one_piece():
            outputs, gradients = with_gradients(*tensors)
        found_for[:] = [gradient is not None for gradient in gradients]
        return outputs, [gradient for gradient in gradients if gradient is not None]

    def scaled(gradients: Any, factor: Any) -> Any:
        return [gradient * ops.cast(factor, gradient.dtype) for gradient in gradients]

    there, back = (_compiled(one) if compiled else one for one in (forward, scaled))

    @tf.custom_gradient
    def run(*tensors: Any) -> Any:
        outputs, found = there(*tensors)

        def gradient(factor: Any, *_: Any) -> Any:
            # As a rule the loss is what is differentiated: then there is no pass over gradients as large as the logits.
            left = iter(tf.cond(tf.equal(factor, 1.0), lambda: list(found), lambda: back(found, factor)))
            return [next(left) if has_one else None for has_one in found_for]

        return outputs, gradient

    return lambda *tensors: run(*map(ops.convert_to_tensor, tensors))


def _compiled(function: Callable[..., Any]) -> Any:
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def _gradients(function: Callable[..., Any], tensors: Any, gradients: Any) -> list[Any]:
    """Return the gradients of what is floating among the tensors of a function, `None` for the rest."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        inputs = [tensor for tensor in tensors if tensor.dtype.is_floating]
        tape.watch(inputs)
        outputs = function(*tensors)
    found = iter(tape.gradient(outputs, inputs, gradients, unconnected_gradients=tf.UnconnectedGradients.ZERO))
    return [next(found) if tensor.dtype.is_floating else None for tensor in tensors]
