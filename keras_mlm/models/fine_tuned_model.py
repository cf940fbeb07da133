"""What fine-tuned models share: an encoder, one dense layer, the loss and the logs."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.layers.modeling.dropout import Dropout
from keras_mlm.layers.modeling.replicas import global_sum
from keras_mlm.losses import cross_entropy_sums, weighted_mean_loss
from keras_mlm.metrics import GlobalMean, accuracy_sums, global_means
from keras_mlm.models.bert_backbone import BertBackbone
from keras_mlm.models.row_batches import row_batches
from keras_mlm.models.training_step import TrainingStep


class FineTunedModel(TrainingStep, keras.Model):
    """A `BertBackbone` with a dense layer of classes on top; the base of models that are fine-tuned.

    `compile(optimizer)` and `fit(dataset)` of (inputs, labels) or (inputs, labels, weights) batches are all it takes.
    Labels are class numbers; a negative one is ignored. The loss is Σ w · ce / Σ w over the global batch, all replicas
    and micro-batches together; logs hold `loss` and `accuracy`, means over everything seen since the epoch or
    evaluation began.

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
    def from_encoder(cls, model: Any, classes: Sequence[str], *, dropout: float | None = None, **options: Any) -> Self:
        """Return a new model over the encoder weights of a trained one; what that one lacks starts anew.

        Args:
            model: `BertPretrainer` or fine-tuned model with a tokenizer, as `load_model` gives it.
            classes: sequence of str, names of the classes.
            dropout: float in [0, 1), of the fine-tuning. Defaults to the encoder's.
            **options: what else the class takes, such as `length`.

        Returns:
            A model whose dense layer, and whose pooler where the other has none, are new.

        Example:
            ```python
            model = BertTextClassifier.from_encoder(load_model("saved_models/news"), ["sport", "politics"], length=128)
            ```
        """
        config = model.config if dropout is None else dataclasses.replace(model.config, dropout=dropout)
        new = cls(config, classes, model.tokenizer, **options)
        old = {weight.path.split("backbone/", 1)[-1]: weight for weight in model.backbone.weights}
        for weight in new.backbone.weights:
            source = old.get(weight.path.split("backbone/", 1)[-1])
            if source is not None:
                weight.assign(source)
            elif "pooled_dense" not in weight.path and "seed" not in weight.path:
                raise InputError(f"the model has no weight {weight.path}: it is not of this architecture")
        return new

    def in_precision(self, precision: str) -> Self:
        """Return a copy that computes in another precision; the model itself where it does already.

        A model is saved, loaded and served in float32; one that was trained in half precision is best judged as it will
        answer then, see `take_weights`.

        Args:
            precision: str, `"float32"`, `"mixed_bfloat16"` or another policy of Keras.

        Returns:
            A model of the class, with equal weights of its own.
        """
        if precision == self.dtype_policy.name:
            return self
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(precision)
        try:
            copy = type(self).from_config(self.get_config())
        finally:
            keras.config.set_dtype_policy(policy)
        copy.tokenizer = self.tokenizer
        copy.take_weights(self)
        return copy

    def take_weights(self, other: Self) -> None:
        """Set the weights to those of another model of the same architecture; nothing where that is the model itself.

        Args:
            other: a model of the class, such as `in_precision` returned.
        """
        if other is not self:
            self.set_weights(other.get_weights())

    def build(self, input_shape: Any = None) -> None:
        """Create the weights, which depend on the config and the number of classes only."""
        if not self.built:
            # The state of its random numbers, too: made within a step, it would make several replicas fail.
            self.dropout.build((None, self.features_dim))
            self.dense.build((None, self.features_dim))
            self.built = True

    @property
    def features_dim(self) -> int:
        """The width of `features`."""
        return self.config.hidden_dim

    def features(self, encoded: dict[str, Any], padding_mask: Any) -> Any:
        """Return what the dense layer sees of the encoder's outputs.

        Args:
            encoded: dict, what the encoder returned.
            padding_mask: bool `(batch, length)`, `False` at padding.

        Returns:
            Float tensor, `(batch, features_dim)` of texts, `(batch, length, features_dim)` of tokens.
        """
        return encoded["pooled_output" if self.pooled else "sequence_output"]

    def output_positions(self, inputs: dict[str, Any]) -> Any:
        """Return the positions whose last states `features` reads, int `(batch, count)`; `None` if it reads all.

        Args:
            inputs: dict, those of the encoder.
        """
        return None

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """Return the logits of the classes."""
        encoded = self.backbone(inputs, training=training, output_positions=self.output_positions(inputs))
        features = self.features(encoded, inputs["padding_mask"])
        return self.dense(self.dropout(features, training=training))

    def compile(self, optimizer: Any, *, micro_batches: int = 1, jit_compile: bool = False, **kwargs: Any) -> None:
        """Set the optimizer; the loss and the metrics are the model's own.

        Args:
            optimizer: Keras optimizer or its name.
            micro_batches: int, equal parts in which each replica works through its rows of a step. Defaults to `1`.
            jit_compile: bool, whether XLA compiles the step, once for each width of rows. Defaults to `False`.
            **kwargs: `run_eagerly` and others of `keras.Model.compile`.

        Raises:
            InputError: the model was built outside the scope of the strategy it is compiled in, or several GPUs are to
                run a step that XLA compiles.
        """
        self.micro_batches = micro_batches
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def need_tokenizer(self) -> None:
        """Raise `InputError` where text methods have no tokenizer."""
        if self.tokenizer is None:
            raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")

    def unpacked(self, data: Any) -> tuple[Any, Any, Any]:
        """Return inputs, labels and weights of a batch, a weight a label.

        Args:
            data: what a dataset gives `fit`: (inputs, labels) or (inputs, labels, weights).

        Returns:
            Tuple of inputs, labels and float32 weights.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return x, y, self.label_weights(y, sample_weight)

    def label_weights(self, y: Any, sample_weight: Any = None) -> Any:
        """Return what each label counts; 0 for the ignored ones.

        Args:
            y: int tensor of class numbers; negative ones are ignored.
            sample_weight: float tensor of the same shape. Defaults to `None`, 1 each.

        Returns:
            Float32 tensor of the same shape.

        Raises:
            InputError: there are no labels.
        """
        if y is None:
            raise InputError("fit and evaluate need batches of (inputs, labels) as labelled_batches gives them")
        weights = ops.cast(ops.cast(y, "int32") >= 0, "float32")
        return weights if sample_weight is None else weights * ops.cast(sample_weight, "float32")

    def global_weights(self, sample_weight: Any) -> Any:
        """Return Σ w over the rows of all replicas: what the loss is divided by.

        Args:
            sample_weight: float32 tensor, as `label_weights` returns it.

        Returns:
            Float32 scalar.
        """
        return global_sum(ops.sum(sample_weight))

    def share_of_loss(self, y: Any, y_pred: Any, sample_weight: Any, weights: Any) -> Any:
        """Return what these rows contribute to the loss of the global batch, and add them to the reported figures.

        Args:
            y: int tensor of class numbers.
            y_pred: logits.
            sample_weight: float32 tensor, as `label_weights` returns it.
            weights: float32 scalar, Σ w of the global batch, as `global_weights` returns it.

        Returns:
            Float32 scalar; 0 where nothing has a weight.
        """
        total, weight = self.loss_sums(y, y_pred, sample_weight)
        self.loss_mean.update_state(ops.stop_gradient(total), weight)
        self.accuracy_mean.update_state(*self.accuracy_sums(y, y_pred, sample_weight))
        return weighted_mean_loss(total, weights)

    def loss_sums(self, labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
        """Return Σ w · ce and Σ w of some rows.

        Args:
            labels: int tensor of class numbers.
            logits: float tensor, one more dimension: the classes.
            weights: float32 tensor, as `label_weights` returns it.

        Returns:
            Two float32 scalars.
        """
        return cross_entropy_sums(ops.maximum(ops.cast(labels, "int32"), 0), logits, weights)

    def accuracy_sums(self, labels: Any, logits: Any, weights: Any) -> tuple[Any, Any]:
        """Return Σ w · [right] and Σ w of some rows.

        Args:
            labels: int tensor of class numbers.
            logits: float tensor, one more dimension: the classes.
            weights: float32 tensor, as `label_weights` returns it.

        Returns:
            Two float32 scalars.
        """
        return accuracy_sums(labels, logits, weights)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss: under a strategy this replica's share, so that the shares' gradients add up exactly."""
        weights = self.label_weights(y, sample_weight)
        return self.share_of_loss(y, y_pred, weights, self.global_weights(weights))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the values of the metrics so far, to which `compute_loss` has added the batch."""
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the logs, means over all that was seen since the last reset."""
        means = [self.loss_mean, self.accuracy_mean]
        return dict(zip([mean.name for mean in means], global_means(means), strict=True))

    def class_numbers(self, labels: Sequence[str]) -> np.ndarray:
        """Return names of classes as numbers.

        Args:
            labels: sequence of str.

        Returns:
            int32 array `(batch,)`.

        Raises:
            InputError: names that the model does not have; the message lists them.
        """
        known = {name: number for number, name in enumerate(self.classes)}
        unknown = sorted(set(labels) - set(known))
        if unknown:
            raise InputError(f"labels that the model does not have: {', '.join(unknown[:10])}")
        return np.array([known[name] for name in labels], "int32")

    def logits(self, rows: Sequence[dict[str, np.ndarray]]) -> list[np.ndarray]:
        """Return the logits of encoded rows; rows of about one length are computed together.

        Args:
            rows: sequence of dicts with `token_ids` and `segment_ids`, int `(tokens,)`.

        Returns:
            List of float32 arrays, one a row: `(classes,)` of a text, `(at least tokens, classes)` of tokens.
        """
        answers: list[np.ndarray] = [np.zeros(0)] * len(rows)
        for indices, batch in row_batches(rows, self.tokenizer.pad_token_id):
            found = ops.convert_to_numpy(ops.cast(self(batch, training=False), "float32"))
            for index, row in zip(indices, found, strict=True):
                answers[index] = row
        return answers

    def head_config(self) -> dict[str, Any]:
        """Return as plain data what the model has besides its encoder; a model folder's `config.json` holds it, too."""
        return {"classes": self.classes, "length": self.length}

    def get_config(self) -> dict[str, Any]:
        """Return plain data that `from_config` builds an equal model from, without a tokenizer."""
        return {"config": self.config.to_dict(), **self.head_config(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Return the model that `get_config` described, with new weights."""
        return cls(**{**config, "config": BertConfig.from_dict(config["config"])})
