"""The one place where the model meets `tf.distribute`; outside it, and on other backends, there is one replica."""

from typing import Any

import keras

from keras_mlm.errors import InputError


def _replica_context() -> Any:
    """Return the context inside `strategy.run` of several replicas, else `None`."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def global_sum(value: Any) -> Any:
    """Return the sum of a tensor over all replicas; the identity where there is one.

    Args:
        value: tensor, this replica's part. Gradients do not flow through the other replicas' parts.

    Returns:
        Tensor of the same shape.
    """
    context = _replica_context()
    return value if context is None else context.all_reduce("SUM", value)


def replica_index() -> Any:
    """Return the number of the replica that is running, an int32 scalar; 0 where there is one."""
    context = _replica_context()
    return 0 if context is None else context.replica_id_in_sync_group


def replicas_of(model: keras.Model) -> int:
    """Return how many replicas of a model a step runs."""
    strategy = getattr(model, "distribute_strategy", None)  # on TensorFlow only
    return 1 if strategy is None else int(strategy.num_replicas_in_sync)


def check_strategy(model: keras.Model, jit_compile: Any) -> None:
    """Raise `InputError` if a model cannot be trained under the strategy in whose scope it is compiled."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if tf.distribute.has_strategy() and tf.distribute.get_strategy() is not model._distribute_strategy:
        raise InputError(
            "the model was built outside the scope of this strategy: build and compile it inside `strategy.scope()`"
        )
    if jit_compile and replicas_of(model) > 1 and tf.config.list_physical_devices("GPU"):
        raise InputError("XLA cannot compile a step of several GPUs: leave out jit_compile")
