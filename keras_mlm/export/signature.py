"""One callable of an export: its name, its inputs, what it answers and how it is described."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Signature:
    """What a client may ask an export, under a name that stays.

    Args:
        name: str, the name that clients call.
        function: callable that takes the inputs by name and returns a dict of tensors, batch first.
        inputs: tuple of `tf.TensorSpec`, each named.
        summary: str, a sentence for the card.
        outputs: dict of output name to what it holds, shape and type first.
    """

    name: str
    function: Callable[..., dict[str, tf.Tensor]]
    inputs: tuple[tf.TensorSpec, ...]
    summary: str
    outputs: dict[str, str]
