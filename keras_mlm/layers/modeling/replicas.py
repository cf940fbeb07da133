"""The one place where the model meets `tf.distribute`; outside it, and on other backends, there is one replica."""

from typing import Any

import keras


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
