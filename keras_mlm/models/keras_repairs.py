"""Repairs of what Keras 3.15 gets wrong under `tf.distribute`; each names its test, which fails once it is not needed.

* `reduce_per_replica` reduces the logs of several workers along an axis that scalars do not have, so that no `fit`
  gets beyond its first step (https://github.com/keras-team/keras/issues/20585,
  https://github.com/keras-team/keras/issues/20329).
* An optimizer clips each replica's gradients and adds them up afterwards, so that the clipped norm depends on how many
  replicas share the batch.

The third, building from the mean of the replicas' batches, is `BertPretrainer`'s own way of building, in
`TensorFlowStep`. tests/models/test_keras_repairs.py shows all three on the unrepaired Keras.
"""

from typing import Any

import keras

# The last minor version that needs them; a later one is left as it is.
LAST_BROKEN = (3, 15)


def needed() -> bool:
    """Return whether the installed Keras is one that these repairs are for."""
    return tuple(int(part) for part in keras.__version__.split(".")[:2]) <= LAST_BROKEN


def repair_logs_of_workers() -> None:
    """Make `fit` and `evaluate` of several workers take the first local replica's logs, which all replicas share."""
    from keras.src.backend.tensorflow import trainer

    original = trainer.reduce_per_replica
    if not needed() or hasattr(original, "repairs"):
        return

    def reduce_per_replica(values: Any, strategy: Any, reduction: str) -> Any:
        if reduction != "auto" or strategy.extended._in_multi_worker_mode() is False:
            return original(values, strategy, reduction)
        return keras.tree.map_structure(lambda value: strategy.experimental_local_results(value)[0], values)

    reduce_per_replica.repairs = original  # type: ignore[attr-defined]
    trainer.reduce_per_replica = reduce_per_replica


def apply_reduced_gradients(optimizer: Any) -> None:
    """Make an optimizer take gradients that have been added up over the replicas already."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    if not hasattr(inner, "_all_reduce_sum_gradients"):
        # Guessing on would train with gradients multiplied by the number of replicas.
        raise RuntimeError(f"Keras {keras.__version__} reduces gradients in another way: install keras 3.15")
    inner._all_reduce_sum_gradients = list
