import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.layers.modeling.replicas import global_sum
from keras_mlm.losses import cosine_distance_sums, divergence_sums, weighted_mean_loss
from keras_mlm.metrics import GlobalMean, global_means
from keras_mlm.models.bert_backbone import BertBackbone
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.candidate import Candidate
from keras_mlm.models.student import teaching_blocks
from keras_mlm.models.training_step import TrainingStep


class BertDistiller(TrainingStep, keras.Model):
    """Trains a small `BertPretrainer`, the student, on text to answer as a large one does, the teacher.

    `compile(optimizer)` and `fit(dataset)` is all it takes; the student is an ordinary model, to be saved by itself.
    The loss is the weighted sum of three means over the global batch, all replicas and micro-batches together: the
    student's own loss; at the mask positions, T² · KL(teacher ‖ student) of the two distributions of tokens, both
    softened by the temperature T; and 1 - cosine of hidden states, at all tokens, of each of the student's blocks and
    one of the teacher's. Where the widths differ, a linear layer of this model, no part of the student, makes the
    student's states as wide as the teacher's. Logs hold those of `BertPretrainer`, with the weighted sum as `loss`, and
    `soft_loss` and `hidden_loss`. The teacher is only called, without dropout: it is neither trained nor saved.

    Args:
        student: `BertPretrainer`.
        teacher: `BertPretrainer` of the same vocabulary, built in the same precision and under the same strategy.
        temperature: float above 0. Defaults to `2.0`.
        hard_weight: float, of the student's own loss. Defaults to `0.25`; the three are DistilBERT's 2 : 5 : 1.
        soft_weight: float, of the divergence. Defaults to `0.625`.
        hidden_weight: float, of the hidden states. Defaults to `0.125`.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Call arguments:
        inputs: dict, those of `BertPretrainer`.

    Returns:
        Dict of the student's logits, `"hidden_states"`, a list of `(batch, length, teacher's hidden_dim)`, and
        `"teacher"`, a dict of the same; of the last two what a weight is above 0 for.

    Raises:
        InputError: another vocabulary, a backbone of another library, or a temperature or weight out of range.

    Example:
        ```python
        teacher = load_model("saved_models/news")
        student = BertPretrainer(student_config(teacher.config, "half"), tokenizer=teacher.tokenizer)
        distiller = BertDistiller(student, teacher)
        distiller.compile(keras.optimizers.AdamW(1e-3))
        distiller.fit(PretrainingDataset("data/news", next_sentence=False).batches(), steps_per_epoch=1000)
        save_model(student, "saved_models/small_news")
        ```

    References:
        - [DistilBERT](https://arxiv.org/abs/1910.01108): the three losses
        - [TinyBERT](https://arxiv.org/abs/1909.10351): hidden states of several blocks, projected
    """

    built: bool

    def __init__(
        self,
        student: BertPretrainer,
        teacher: BertPretrainer,
        *,
        temperature: float = 2.0,
        hard_weight: float = 0.25,
        soft_weight: float = 0.625,
        hidden_weight: float = 0.125,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "bert_distiller", **kwargs})
        _check_models(student, teacher)
        _check_numbers(temperature, {"hard": hard_weight, "soft": soft_weight, "hidden": hidden_weight})
        self.student = student
        self.temperature = temperature
        self.hard_weight = hard_weight
        self.soft_weight = soft_weight
        self.hidden_weight = hidden_weight
        # Held by a function: a model that is an attribute would be a part of this one, to be trained and saved.
        self._ask_teacher = functools.partial(teacher, training=False, return_hidden_states=True)  # type: ignore[misc]
        self._blocks = teaching_blocks(student.config.num_layers, teacher.config.num_layers)
        width = teacher.config.hidden_dim
        self.projection = (
            keras.layers.Dense(
                width,
                use_bias=False,
                kernel_initializer=keras.initializers.TruncatedNormal(stddev=student.config.initializer_range),
                name="projection",
            )
            if hidden_weight and width != student.config.hidden_dim
            else None
        )
        weights = {"soft": soft_weight, "hidden": hidden_weight}
        self.loss_means = {name: GlobalMean(name=f"{name}_loss") for name, weight in weights.items() if weight}
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Create the weights, which depend on the two configs only."""
        if self.built:
            return
        if self.projection is not None:
            self.projection.build((None, None, self.student.config.hidden_dim))
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """Return what the student and the teacher answer."""
        answers = self.student(inputs, training=training, return_hidden_states=bool(self.hidden_weight))
        if self.projection is not None:
            answers["hidden_states"] = [self.projection(states) for states in answers["hidden_states"]]
        return {**answers, "teacher": self._ask_teacher(inputs)} if self.loss_means else answers

    def compile(self, optimizer: Any, *, micro_batches: int = 1, jit_compile: bool = False, **kwargs: Any) -> None:
        """Set the optimizer; the losses and metrics are the model's own.

        Args:
            optimizer: Keras optimizer or its name.
            micro_batches: int, equal parts in which each replica works through its rows of a step. Defaults to `1`.
            jit_compile: bool, whether XLA compiles the step. Defaults to `False`.
            **kwargs: `run_eagerly` and others of `keras.Model.compile`.

        Raises:
            InputError: the model was built outside the scope of the strategy it is compiled in, or several GPUs are to
                run a step that XLA compiles.
        """
        self.micro_batches = micro_batches
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    @property
    def metrics(self) -> list[Any]:
        """The metrics that are reset when an epoch or evaluation begins; Keras leaves out those of a model within."""
        return [*super().metrics, *self.student.metrics]

    def unpacked(self, data: Any) -> tuple[Any, Any, Any]:
        """Return inputs, labels and weights of a batch, those of the hidden states too.

        Args:
            data: what a dataset gives `fit`: (inputs, labels, weights).

        Returns:
            Tuple of three dicts.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return x, y, self._with_token_weights(x, sample_weight)

    def _with_token_weights(self, x: dict[str, Any], sample_weight: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the weights with those of `hidden_states`, `(batch, length)`: 1 at every token, 0 at padding."""
        if sample_weight is None:
            return None  # which the student refuses
        return {**sample_weight, "hidden_states": ops.cast(x["padding_mask"], "float32")}

    def global_weights(self, sample_weight: dict[str, Any] | None) -> dict[str, Any]:
        """Return Σ w of each mean over the rows of all replicas: what the losses are divided by.

        Args:
            sample_weight: dict of float tensors, as `unpacked` returns it.

        Returns:
            Dict of float32 scalars.

        Raises:
            InputError: there are no weights.
        """
        weights = self.student.global_weights(sample_weight)
        if self.hidden_weight and sample_weight is not None:
            weights["hidden_states"] = global_sum(ops.sum(sample_weight["hidden_states"]))
        return weights

    def share_of_loss(self, y: Any, y_pred: Any, sample_weight: Any, weights: dict[str, Any]) -> Any:
        """Return what these rows contribute to the loss of the global batch, and add them to the reported losses.

        Args:
            y: dict of labels.
            y_pred: dict, as `call` returns it.
            sample_weight: dict of weights, `hidden_states` among them.
            weights: dict of Σ w of the global batch, as `global_weights` returns them.

        Returns:
            Float32 scalar; 0 where nothing has a weight.
        """
        loss = self.hard_weight * self.student.share_of_loss(y, y_pred, sample_weight, weights)
        if self.soft_weight:
            sums = divergence_sums(
                y_pred["teacher"]["masked_lm"], y_pred["masked_lm"], sample_weight["masked_lm"], self.temperature
            )
            loss = loss + self.soft_weight * self._noted("soft", sums, weights["masked_lm"])
        if self.hidden_weight:
            wanted = [y_pred["teacher"]["hidden_states"][block] for block in self._blocks]
            pairs = zip(wanted, y_pred["hidden_states"], strict=True)
            sums_by_block = [cosine_distance_sums(*pair, sample_weight["hidden_states"]) for pair in pairs]
            mean = sum(total for total, _ in sums_by_block) / len(wanted)
            share = self._noted("hidden", (mean, sums_by_block[0][1]), weights["hidden_states"])
            loss = loss + self.hidden_weight * share
        return loss

    def _noted(self, name: str, sums: tuple[Any, Any], weight: Any) -> Any:
        """Add some rows to a reported loss and return their share of its mean over the global batch."""
        self.loss_means[name].update_state(ops.stop_gradient(sums[0]), sums[1])
        return weighted_mean_loss(sums[0], weight)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss: under a strategy this replica's share, so that the shares' gradients add up exactly."""
        sample_weight = self._with_token_weights(x, sample_weight)
        return self.share_of_loss(y, y_pred, sample_weight, self.global_weights(sample_weight))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the values of the metrics so far, to which `compute_loss` has added the batch."""
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the logs, means over all that was seen since the last reset."""
        logs = self.student.get_metrics_result()
        loss = self.hard_weight * logs["loss"]
        if self.loss_means:
            found = dict(zip(self.loss_means, global_means(list(self.loss_means.values())), strict=True))
            loss = loss + sum(getattr(self, f"{name}_weight") * mean for name, mean in found.items())
            logs |= {f"{name}_loss": mean for name, mean in found.items()}
        return {**logs, "loss": loss}

    def fill_mask(self, texts: str | Sequence[str], top_k: int = 5) -> list[list[list[Candidate]]]:
        """Return the student's candidates, see `BertPretrainer.fill_mask`.

        Args:
            texts: str or sequence of str; each holds at least one `[MASK]`.
            top_k: int, candidates a mask. Defaults to `5`.

        Returns:
            A list over texts of lists over masks of `top_k` candidates, the most probable first.
        """
        return self.student.fill_mask(texts, top_k)


def _check_models(student: BertPretrainer, teacher: BertPretrainer) -> None:
    for model in (student, teacher):
        if not isinstance(model.backbone, BertBackbone):
            raise InputError("distillation is for backbones of this package: take keras_mlm.load_keras_hub(model)")
    sizes = [model.config.vocabulary_size for model in (student, teacher)]
    hashes = [getattr(model.tokenizer, "vocabulary_hash", None) for model in (student, teacher)]
    if sizes[0] != sizes[1] or (None not in hashes and hashes[0] != hashes[1]):
        raise InputError("the student has another vocabulary than its teacher, whose logits it is to learn")


def _check_numbers(temperature: float, weights: dict[str, float]) -> None:
    if not 0 < temperature < math.inf:
        raise InputError(f"the temperature must be above 0, not {temperature!r}")
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise InputError(f"{name}_weight must be 0 or more, not {weight!r}")
    if not any(weights.values()):
        raise InputError("nothing is learned where all three weights are 0")
