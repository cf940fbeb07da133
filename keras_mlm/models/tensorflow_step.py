"""The training step on TensorFlow: one meaning on one device, on replicas, on workers and with micro-batches."""

import functools
from typing import Any

import keras
import tensorflow as tf

from keras_mlm.layers.modeling.fused_run import compiled_runs, one_piece
from keras_mlm.layers.modeling.replicas import check_strategy, global_sum, replicas_of
from keras_mlm.layers.modeling.sums import whole_sum
from keras_mlm.models.compiler_heap import CompilerHeap
from keras_mlm.models.keras_repairs import apply_reduced_gradients, repair_logs_of_workers

# One a process, as the heap is.
HEAP = CompilerHeap()


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
    # A `TokenAccuracy` that the training steps count in; `AdaptiveMasking` sets it.
    token_accuracy: Any = None
    # Whether XLA compiles what each of several replicas does on its own.
    compiles_own_part = False

    def compile(self: Any, optimizer: Any, *, jit_compile: bool = False, **kwargs: Any) -> None:
        """Compile as Keras does; of a step of several replicas XLA gets what each does on its own.

        XLA cannot compile their exchange, nor then the step as a whole.
        """
        check_strategy(self, jit_compile)
        several = replicas_of(self) > 1
        self.compiles_own_part = jit_compile and several and not kwargs.get("run_eagerly")
        super().compile(optimizer, jit_compile=jit_compile and not several, **kwargs)  # type: ignore[misc]

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        """Take one step on this replica's rows."""
        x, y, sample_weight = self.unpacked(data)
        several = replicas_of(self) > 1
        own_part = functools.partial(self._own_part, x, y, sample_weight, self.global_weights(sample_weight))
        if self.compiles_own_part:
            own_part = tf.function(own_part, jit_compile=True, autograph=False)
        loss, gradients = own_part()
        if several:
            apply_reduced_gradients(self.optimizer)
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        apply = self._apply
        if self.compiles_runs and not several:  # one pass over weights, moments and gradients instead of ten
            apply = tf.function(apply, jit_compile=True, autograph=False)
        norm = apply(gradients)
        return {**self.get_metrics_result(), "step_loss": global_sum(loss), "gradient_norm": norm}

    @property
    def compiles_runs(self: Any) -> bool:
        """Whether a step computes its products with TensorFlow's kernels and compiles what is between them.

        So it does in bfloat16, in which oneDNN's products are twice as fast as XLA's on a CPU, unless XLA compiles them
        too, or the step is run eagerly.
        """
        in_pieces = not self.jit_compile and not self.compiles_own_part and not self.run_eagerly
        return self.compute_dtype == "bfloat16" and in_pieces

    @property
    def is_one_piece(self: Any) -> bool:
        """Whether XLA compiles a step as a whole, or all that a replica does on its own, for a CPU in float32.

        In float16 the gradients of the logits have to be those of the loss that is scaled, lest they are 0.
        """
        compiled = (self.jit_compile and not self.run_eagerly) or self.compiles_own_part
        return self.compute_dtype == "float32" and compiled and not tf.config.list_physical_devices("GPU")

    def _apply(self: Any, gradients: list[Any]) -> Any:
        """Update the weights and return the norm of the gradients."""
        optimizer, clip = self.optimizer, self.optimizer.global_clipnorm
        compiled = (self.compiles_runs or self.is_one_piece) and replicas_of(self) == 1
        with one_piece(compiled):
            norm = tf.sqrt(tf.add_n([whole_sum(tf.square(gradient)) for gradient in gradients]))
        if not compiled or not clip:
            norm = norm / tf.cast(optimizer.scale_loss(tf.constant(1.0)), norm.dtype)  # before it changes the scale
            optimizer.apply(gradients, self.trainable_variables)
            return norm
        # As the optimizer would, which would take the norm again, and five times as long for it.
        scale = clip * tf.minimum(1.0 / norm, 1.0 / clip) + (norm - norm)  # NaN where the norm is not finite
        optimizer.global_clipnorm = None
        try:
            optimizer.apply([gradient * scale for gradient in gradients], self.trainable_variables)
        finally:
            optimizer.global_clipnorm = clip
        return norm

    def unpacked(self, data: Any) -> tuple[Any, Any, Any]:
        """Return inputs, labels and weights of a batch; none of them is `None`.

        Args:
            data: what a dataset gives `fit`: (inputs, labels, weights).

        Returns:
            Tuple of the three.
        """
        return keras.utils.unpack_x_y_sample_weight(data)

    def _own_part(self: Any, x: Any, y: Any, sample_weight: Any, weights: Any) -> tuple[Any, list[Any]]:
        """Return what this replica's rows contribute to loss and gradients."""
        with compiled_runs(self.compiles_runs), one_piece(self.is_one_piece):
            if self.micro_batches == 1:
                return self._gradients_of(x, y, sample_weight, weights)
            return self._gradients_in_parts((x, y, sample_weight), weights)

    def _gradients_in_parts(self: Any, batch: Any, weights: Any) -> tuple[Any, list[Any]]:
        """Return the sums of loss and gradients over equal runs of rows, taken one after the other.

        It is a loop of the graph: of parts that are written out one after the other, TensorFlow's executor and XLA keep
        the activations of several at a time, whatever the control dependencies between them.
        """
        tensors = [in_parts(tensor, self.micro_batches) for tensor in tf.nest.flatten(batch)]

        def add_part(index: Any, loss: Any, gradients: list[Any]) -> tuple[Any, Any, list[Any]]:
            part = tf.nest.pack_sequence_as(batch, [tensor[index] for tensor in tensors])
            more, found = self._gradients_of(*part, weights)
            return index + 1, loss + more, [a + b for a, b in zip(gradients, found, strict=True)]

        nothing = [tf.zeros(variable.shape, variable.dtype) for variable in self.trainable_variables]
        _, loss, gradients = tf.while_loop(
            lambda index, *_: index < self.micro_batches,
            add_part,
            (tf.constant(0), tf.constant(0.0), nothing),
            parallel_iterations=1,
            maximum_iterations=self.micro_batches,
        )
        return loss, gradients

    def _gradients_of(self: Any, x: Any, y: Any, sample_weight: Any, weights: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.share_of_loss(y, y_pred, sample_weight, weights)
            scaled = self.optimizer.scale_loss(loss)
        if self.token_accuracy is not None:
            self.token_accuracy.update(y["masked_lm"], y_pred["masked_lm"], sample_weight["masked_lm"])
        variables = [variable.value for variable in self.trainable_variables]
        found = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # Tables have sparse gradients, which cannot be packed into one reduction.
        dense = zip(map(tf.convert_to_tensor, found), variables, strict=True)
        return loss, [tf.ensure_shape(gradient, variable.shape) for gradient, variable in dense]

    @property
    def _several_workers(self) -> bool:
        return bool(self.distribute_strategy.extended._in_multi_worker_mode())  # type: ignore[attr-defined]

    def _make_function(self: Any, step_function: Any) -> Any:
        if self._several_workers:
            repair_logs_of_workers()
        return HEAP.trimmed(super()._make_function)(step_function)  # type: ignore[misc]

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        # Under a strategy, Keras 3.15 builds a model from the mean of the replicas' first batches, which no boolean
        # padding mask has and which several workers cannot take eagerly. A model whose weights depend on its config
        # only is built already; the optimizer is left.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)


def in_parts(tensor: Any, parts: int) -> Any:
    """Return `(rows, …)` as `(parts, rows / parts, …)`: equal runs of rows, in their order."""
    shape = tf.shape(tensor)
    split = tf.reshape(tensor, tf.concat([[parts, shape[0] // parts], shape[1:]], 0))
    rows = None if tensor.shape[0] is None else tensor.shape[0] // parts
    return tf.ensure_shape(split, [parts, rows, *tensor.shape[1:]])
