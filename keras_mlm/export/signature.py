"""One callable of an export: its name, its inputs, what it answers and how it is described."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
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
        examples: dict of input name to a sequence of rows that warm a server up and show a client how to ask.
    """

    name: str
    function: Callable[..., dict[str, tf.Tensor]]
    inputs: tuple[tf.TensorSpec, ...]
    summary: str
    outputs: dict[str, str]
    examples: Mapping[str, Sequence[Any]]

    def example(self, rows: int) -> dict[str, np.ndarray]:
        """A request of so many rows, the examples over and over."""
        batch = {}
        for spec in self.inputs:
            given = self.examples[spec.name]
            dtype = object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
            batch[spec.name] = np.array([given[row % len(given)] for row in range(rows)], dtype)
        return batch
