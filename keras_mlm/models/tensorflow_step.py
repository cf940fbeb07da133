"""The training step on TensorFlow: one meaning on one device, on replicas, on workers and with micro-batches."""

from typing import Any

import keras
import tensorflow as tf

from keras_mlm.layers.modeling.replicas import global_sum, replicas_of
from keras_mlm.models.keras_repairs import apply_reduced_gradients, repair_logs_of_workers


class TensorFlowStep:
    """A mixin for a `keras.Model` whose loss is Σ w · ce / Σ w over the global batch.

    Each replica works through its rows in `micro_batches` equal parts, one after the other so that only one part's
    activations are in memory; the parts' gradients are added up, then the replicas', and only then are they clipped
    and applied. Dropout draws anew in every part. The step's logs hold those of `get_metrics_result`, `step_loss`, the
    loss of this global batch alone, and `gradient_norm`, the norm of its gradient before it is clipped.

    Keras' own `gradient_accumulation_steps` fails under a strategy, and its mean of means counts a masked token more
    where there are few.
    """

    micro_batches: int

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        """Take one step on this replica's rows."""
        x, y, sample_weight = self.unpacked(data)
        weights = self.global_weights(sample_weight)
        gradients: list[Any] = []
        losses: list[Any] = []
        for part in split_rows((x, y, sample_weight), self.micro_batches):
            # Without it the executor would start all parts at once and keep all their activations.
            with tf.control_dependencies(gradients):
                part = tf.nest.map_structure(tf.identity, part)
                loss, found = self._gradients_of(*part, weights)
            gradients = [a + b for a, b in zip(gradients, found, strict=True)] if gradients else found
            losses.append(loss)
        if replicas_of(self) > 1:
            apply_reduced_gradients(self.optimizer)
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
        norm = norm / tf.cast(self.optimizer.scale_loss(tf.constant(1.0)), norm.dtype)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {**self.get_metrics_result(), "step_loss": global_sum(tf.add_n(losses)), "gradient_norm": norm}

    def unpacked(self, data: Any) -> tuple[Any, Any, Any]:
        """Return inputs, labels and weights of a batch; none of them is `None`."""
        return keras.utils.unpack_x_y_sample_weight(data)

    def _gradients_of(self: Any, x: Any, y: Any, sample_weight: Any, weights: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.share_of_loss(y, y_pred, sample_weight, weights)
            scaled = self.optimizer.scale_loss(loss)
        self.compute_metrics(x, y, y_pred, sample_weight)
        variables = [variable.value for variable in self.trainable_variables]
        found = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # Tables have sparse gradients, which cannot be packed into one reduction.
        return loss, [tf.convert_to_tensor(gradient) for gradient in found]

    @property
    def _several_workers(self) -> bool:
        return bool(self.distribute_strategy.extended._in_multi_worker_mode())  # type: ignore[attr-defined]

    def _make_function(self: Any, step_function: Any) -> Any:
        if self._several_workers:
            repair_logs_of_workers()
        return super()._make_function(step_function)  # type: ignore[misc]

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        # Under a strategy, Keras 3.15 builds a model from the mean of the replicas' first batches, which no boolean
        # padding mask has and which several workers cannot take eagerly. A model whose weights depend on its config
        # only is built already; the optimizer is left.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)


def split_rows(batch: Any, parts: int) -> list[Any]:
    """Return the rows of a nested batch in equal parts, in their order."""
    if parts == 1:
        return [batch]
    split = [tf.split(tensor, parts) for tensor in tf.nest.flatten(batch)]
    return [tf.nest.pack_sequence_as(batch, [pieces[index] for pieces in split]) for index in range(parts)]
