"""What fine-tuned models share: an encoder, one dense layer, the loss and the logs."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.layers.modeling.replicas import global_sum
from keras_mlm.losses import cross_entropy_sums, weighted_mean_loss
from keras_mlm.metrics import GlobalMean, accuracy_sums
from keras_mlm.models.bert_backbone import BertBackbone

# Positions computed at a time when predicting.
_POSITIONS_A_BATCH = 8192


class FineTunedModel(keras.Model):
    """A `BertBackbone` with a dense layer of classes on top; the base of models that are fine-tuned.

    `compile(optimizer)` and `fit(dataset)` of (inputs, labels) batches are all it takes. Labels are class numbers; a
    negative one is ignored. The loss is Σ w · ce / Σ w over the global batch; logs hold `loss` and `accuracy`, means
    over everything seen since the epoch or evaluation began.

    Args:
        config: `BertConfig`, the architecture of the encoder; whether it has a pooler is the class's own matter.
        classes: sequence of str, names of the classes, at least two.
        tokenizer: `WordPieceTokenizer` that text methods use. Defaults to `None`, no text methods.
        length: int, the longest row in tokens, special tokens included. Defaults to the encoder's.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Raises:
        InputError: fewer than two classes, one twice, or a length that the encoder does not have.
    """

    built: bool
    pooled: bool

    def __init__(
        self,
        config: BertConfig,
        classes: Sequence[str],
        tokenizer: Any = None,
        *,
        length: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = dataclasses.replace(config, next_sentence=self.pooled)
        self.classes = list(classes)
        self.length = config.max_sequence_length if length is None else length
        self.tokenizer = tokenizer
        if len(self.classes) < 2 or not all(isinstance(name, str) and name for name in self.classes):
            raise InputError(f"a model needs at least two classes, each with a name, not {self.classes!r}")
        if len(set(self.classes)) < len(self.classes):
            raise InputError(f"a class is named twice in {self.classes!r}")
        if not isinstance(self.length, int) or not 8 <= self.length <= config.max_sequence_length:
            raise InputError(
                f"length must be between 8 and the encoder's {config.max_sequence_length} tokens, not {self.length!r}"
            )
        self.backbone = BertBackbone(self.config)
        self.dropout = Dropout(config.dropout, name="dropout")
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.dense = keras.layers.Dense(len(self.classes), kernel_initializer=initializer, name="dense")
        self.loss_mean = GlobalMean(name="loss")
        self.accuracy_mean = GlobalMean(name="accuracy")
        self.build()

    @classmethod
    def from_encoder(
        cls, model: Any, classes: Sequence[str], *, length: int | None = None, dropout: float | None = None
    ) -> Self:
        """Return a new model over the encoder weights of a trained one; what that one lacks starts anew.

        Args:
            model: `BertPretrainer` or fine-tuned model with a tokenizer, as `load_model` gives it.
            classes: sequence of str, names of the classes.
            length: int, the longest row in tokens. Defaults to the encoder's.
            dropout: float in [0, 1), of the fine-tuning. Defaults to the encoder's.

        Returns:
            A model whose dense layer, and whose pooler where the other has none, are new.

        Example:
            ```python
            model = BertTextClassifier.from_encoder(load_model("saved_models/news"), ["sport", "politics"], length=128)
            ```
        """
        config = model.config if dropout is None else dataclasses.replace(model.config, dropout=dropout)
        new = cls(config, classes, model.tokenizer, length=length)
        old = {weight.path.split("backbone/", 1)[-1]: weight for weight in model.backbone.weights}
        for weight in new.backbone.weights:
            source = old.get(weight.path.split("backbone/", 1)[-1])
            if source is not None:
                weight.assign(source)
            elif "pooled_dense" not in weight.path and "seed" not in weight.path:
                raise InputError(f"the model has no weight {weight.path}: it is not of this architecture")
        return new

    def build(self, input_shape: Any = None) -> None:
        """Create the weights, which depend on the config and the number of classes only."""
        if not self.built:
            self.dense.build((None, self.config.hidden_dim))
            self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """Return the logits of the classes."""
        encoded = self.backbone(inputs, training=training)
        hidden = encoded["pooled_output" if self.pooled else "sequence_output"]
        return self.dense(self.dropout(hidden, training=training))

    def compile(self, optimizer: Any, *, jit_compile: bool = False, **kwargs: Any) -> None:
        """Set the optimizer; the loss and the metrics are the model's own.

        Args:
            optimizer: Keras optimizer or its name.
            jit_compile: bool, whether XLA compiles the step, once for each width of rows. Defaults to `False`.
            **kwargs: `run_eagerly` and others of `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # As in BertPretrainer: Keras would take the mean of the replicas' boolean masks.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss: under a strategy this replica's share, so that the shares' gradients add up exactly."""
        if y is None:
            raise InputError("fit and evaluate need batches of (inputs, labels) as labelled_batches gives them")
        total, weight = cross_entropy_sums(*_labels_logits_weights(y, y_pred, sample_weight))
        self.loss_mean.update_state(ops.stop_gradient(total), weight)
        return weighted_mean_loss(total, global_sum(weight))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Add the batch to the metrics and return their values so far."""
        self.accuracy_mean.update_state(*accuracy_sums(*_labels_logits_weights(y, y_pred, sample_weight)))
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the logs, means over all that was seen since the last reset."""
        return {"loss": self.loss_mean.result(), "accuracy": self.accuracy_mean.result()}

    def class_numbers(self, labels: Sequence[str]) -> np.ndarray:
        """Return names of classes as numbers, int32 `(batch,)`. Raises `InputError` and lists the unknown names."""
        known = {name: number for number, name in enumerate(self.classes)}
        unknown = sorted(set(labels) - set(known))
        if unknown:
            raise InputError(f"labels that the model does not have: {', '.join(unknown[:10])}")
        return np.array([known[name] for name in labels], "int32")

    def logits(self, rows: Sequence[dict[str, np.ndarray]]) -> list[np.ndarray]:
        """Return the logits of encoded rows, float32; rows of about one length are computed together."""
        answers: list[np.ndarray] = [np.zeros(0)] * len(rows)
        for indices in _by_length([len(row["token_ids"]) for row in rows]):
            batch = padded([rows[index] for index in indices], self.tokenizer.pad_token_id)
            found = ops.convert_to_numpy(ops.cast(self(batch, training=False), "float32"))
            for index, row in zip(indices, found, strict=True):
                answers[index] = row
        return answers

    def get_config(self) -> dict[str, Any]:
        """Return plain data that `from_config` builds an equal model from, without a tokenizer."""
        return {"config": self.config.to_dict(), "classes": self.classes, "length": self.length, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Return the model that `get_config` described, with new weights."""
        return cls(
            BertConfig.from_dict(config["config"]), config["classes"], length=config["length"], name=config["name"]
        )


def padded(rows: Sequence[dict[str, np.ndarray]], pad_token_id: int) -> dict[str, np.ndarray]:
    """Return encoded rows as one batch, filled up to the longest.

    Args:
        rows: sequence of dicts with `token_ids` and `segment_ids`, int32 `(tokens,)`.
        pad_token_id: int, what `token_ids` are filled up with.

    Returns:
        Dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool, each `(batch, longest)`.
    """
    lengths = np.array([len(row["token_ids"]) for row in rows])
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    batch = {"token_ids": np.full(mask.shape, pad_token_id, "int32"), "segment_ids": np.zeros(mask.shape, "int32")}
    for name, values in batch.items():
        values[mask] = np.concatenate([row[name] for row in rows])
    return {**batch, "padding_mask": mask}


def _by_length(lengths: Sequence[int]) -> Iterator[np.ndarray]:
    """Give indices of rows, the shortest first, as many at a time as fit when padded to the longest of them."""
    order, start = np.argsort(np.array(lengths, int), kind="stable"), 0
    while start < len(order):
        area = np.array(lengths)[order[start:]] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(area, _POSITIONS_A_BATCH, side="right")))
        yield order[start:stop]
        start = stop


def _labels_logits_weights(labels: Any, logits: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    labels = ops.cast(labels, "int32")
    weights = ops.cast(labels >= 0, "float32")
    if sample_weight is not None:
        weights = weights * ops.cast(sample_weight, "float32")
    return ops.maximum(labels, 0), logits, weights
