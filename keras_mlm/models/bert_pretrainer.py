import logging
from typing import Any

import keras
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.layers.modeling.fused_run import fused_loss
from keras_mlm.layers.modeling.masked_lm_head import MaskedLMHead
from keras_mlm.layers.modeling.next_sentence_head import NextSentenceHead
from keras_mlm.layers.modeling.replicas import global_sum, replicas_of
from keras_mlm.losses import cross_entropy_sums, cross_entropy_with_gradients, weighted_mean_loss
from keras_mlm.metrics import GlobalMean, accuracy_sums, global_means
from keras_mlm.models.backbone_adapter import BackboneAdapter
from keras_mlm.models.bert_backbone import BertBackbone
from keras_mlm.models.text_methods import TextMethods
from keras_mlm.models.training_step import TrainingStep

FOREIGN = (
    "a model around another library's backbone cannot be saved or exported: "
    "keras_mlm.load_keras_hub(model) makes it one of this package"
)
logger = logging.getLogger(__name__)


@keras.saving.register_keras_serializable(package="keras_mlm")
class BertPretrainer(TextMethods, TrainingStep, keras.Model):
    """A BERT that learns to fill masks and, with `config.next_sentence`, to tell whether B follows A.

    `compile(optimizer)` and `fit(dataset)` is all it takes. The loss is Σ w · ce / Σ w over the global batch, all
    replicas together, for the masked tokens, plus the same for the next sentence. Logs hold `loss`, `masked_lm_loss`,
    `masked_lm_accuracy`, `perplexity` = exp(masked_lm_loss), and with next sentences `next_sentence_loss` and
    `next_sentence_accuracy`, all over everything seen since the epoch or evaluation began.

    Args:
        config: `BertConfig`, the architecture; not given with a `backbone`, which says it.
        tokenizer: `WordPieceTokenizer` that text methods use. Defaults to `None`, no text methods.
        backbone: `keras.Model`, an encoder of KerasHub to train instead of a new `BertBackbone`. Such a model trains
            and answers like others, and becomes one that can be saved with `load_keras_hub`. Defaults to `None`.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Call arguments:
        inputs: dict with `"token_ids"`, `"segment_ids"`, `"padding_mask"` `(batch, length)` and `"mask_positions"`
            int `(batch, predictions)`.
        return_hidden_states: bool, not with a `backbone` of KerasHub. Defaults to `False`.

    Returns:
        Dict with logits `"masked_lm"` `(batch, predictions, vocabulary_size)` and, with `config.next_sentence`,
        `"next_sentence"` `(batch, 2)`, class 0 = B follows A; with `return_hidden_states` also `"hidden_states"`, see
        `BertBackbone`.

    Example:
        ```python
        model = BertPretrainer(BertConfig.from_preset("tiny", vocabulary_size=dataset.manifest.vocabulary_size))
        model.compile(keras.optimizers.AdamW(1e-4))
        model.fit(dataset.batches(), steps_per_epoch=100)
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805)
    """

    built: bool

    def __init__(
        self, config: BertConfig | None = None, tokenizer: Any = None, *, backbone: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"name": "bert_pretrainer", **kwargs})  # one name, so that paths never differ
        if (config is None) == (backbone is None):
            raise InputError("a BertPretrainer needs either a config or a backbone")
        self.backbone = BertBackbone(config) if config is not None else BackboneAdapter(backbone)
        self.config = config = self.backbone.config
        self.tokenizer = tokenizer
        self.masked_lm_head = MaskedLMHead(
            config.vocabulary_size,
            config.hidden_dim,
            layer_norm_epsilon=config.layer_norm_epsilon,
            initializer_range=config.initializer_range,
            activation=config.activation,
            tied=config.tie_word_embeddings,
            name="masked_lm_head",
        )
        self.next_sentence_head = (
            NextSentenceHead(config.hidden_dim, initializer_range=config.initializer_range, name="next_sentence_head")
            if config.next_sentence
            else None
        )
        self.objectives = ("masked_lm", "next_sentence") if config.next_sentence else ("masked_lm",)
        self.loss_means = {name: GlobalMean(name=f"{name}_loss") for name in self.objectives}
        self.accuracy_means = {name: GlobalMean(name=f"{name}_accuracy") for name in self.objectives}
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Create the weights, which depend on the config only."""
        if self.built:
            return
        self.masked_lm_head.build((None, None, self.config.hidden_dim))
        if self.next_sentence_head is not None:
            self.next_sentence_head.build((None, self.config.hidden_dim))
        self.built = True

    def call(
        self, inputs: dict[str, Any], training: bool | None = None, return_hidden_states: bool = False
    ) -> dict[str, Any]:
        """Return the logits as a dict."""
        positions = inputs["mask_positions"]
        # Hidden states are those of all positions; otherwise the encoder leaves out what nobody predicts.
        wanted = {"return_hidden_states": True} if return_hidden_states else {"output_positions": positions}
        encoded = self.backbone(inputs, training=training, **wanted)
        outputs = {
            "masked_lm": self.masked_lm_head(
                encoded["sequence_output"],
                positions if return_hidden_states else None,
                self.backbone.token_embeddings,
            )
        }
        if self.next_sentence_head is not None:
            outputs["next_sentence"] = self.next_sentence_head(encoded["pooled_output"])
        if return_hidden_states:
            outputs["hidden_states"] = encoded["hidden_states"]
        return outputs

    def compile(
        self,
        optimizer: Any,
        *,
        micro_batches: int = 1,
        recompute: bool = False,
        jit_compile: bool = False,
        **kwargs: Any,
    ) -> None:
        """Set the optimizer; the losses and metrics are the model's own.

        Args:
            optimizer: Keras optimizer or its name.
            micro_batches: int, equal parts in which each replica works through its rows of a step, for batches whose
                activations do not fit in memory. The step is the same whatever their number. Defaults to `1`.
            recompute: bool, whether the encoder blocks' activations are computed again in the backward pass instead of
                being kept: less memory, a third more time. Defaults to `False`.
            jit_compile: bool, whether XLA compiles the step, of several replicas what each does on its own: faster in
                float32. In bfloat16 without it, what is between the products is compiled. Defaults to `False`.
            **kwargs: `run_eagerly` and others of `keras.Model.compile`.

        Raises:
            InputError: the model was built outside the scope of the strategy it is compiled in, several GPUs are to
                run a step that XLA compiles, or blocks with dropout are to be computed again, with another mask.
        """
        if kwargs.get("steps_per_execution", 1) > 1 and replicas_of(self) > 1:
            logger.warning("steps_per_execution does not work with several replicas: every step is executed alone")
            kwargs["steps_per_execution"] = 1
        if recompute and not isinstance(self.backbone, BertBackbone):
            raise InputError("recompute is for backbones of this package: leave it out")
        if recompute and self.config.dropout:
            raise InputError("recompute would draw another dropout mask the second time: take dropout 0")
        self.micro_batches = micro_batches
        if isinstance(self.backbone, BertBackbone):
            self.backbone.recompute = recompute
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def global_weights(self, sample_weight: dict[str, Any] | None) -> dict[str, Any]:
        """Return Σ w of each objective over the rows of all replicas: what the loss is divided by.

        Args:
            sample_weight: dict of float tensors, the weights of this replica's labels, an objective each.

        Returns:
            Dict of float32 scalars.

        Raises:
            InputError: there are none.
        """
        if sample_weight is None:
            raise InputError("fit and evaluate need batches of (x, y, sample_weight) as PretrainingDataset gives them")
        sums = [ops.sum(ops.cast(sample_weight[name], "float32")) for name in self.objectives]
        return dict(zip(self.objectives, ops.unstack(global_sum(ops.stack(sums)), len(sums)), strict=True))

    def share_of_loss(self, y: Any, y_pred: Any, sample_weight: Any, weights: dict[str, Any]) -> Any:
        """Return what these rows contribute to the loss of the global batch, and add them to the reported figures.

        Args:
            y: dict of labels.
            y_pred: dict of logits.
            sample_weight: dict of weights.
            weights: dict of Σ w of the global batch, as `global_weights` returns them.

        Returns:
            Float32 scalar; 0 where nothing has a weight.
        """
        loss: Any = 0.0
        for name in self.objectives:
            tensors = y[name], y_pred[name], sample_weight[name], weights[name]
            share, total, hits, weight = fused_loss(_sums, cross_entropy_with_gradients, *tensors)
            # Here, and not in compute_metrics, so that the logits are read once.
            self.loss_means[name].update_state(total, weight)
            self.accuracy_means[name].update_state(hits, weight)
            loss = loss + share
        return loss

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss: under a strategy this replica's share, so that the shares' gradients add up exactly."""
        return self.share_of_loss(y, y_pred, sample_weight, self.global_weights(sample_weight))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the values of the metrics so far, to which `compute_loss` has added the batch."""
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the logs, means over all that was seen since the last reset."""
        means = [kind[name] for name in self.objectives for kind in (self.loss_means, self.accuracy_means)]
        logs = dict(zip([mean.name for mean in means], global_means(means), strict=True))
        losses = [logs[f"{name}_loss"] for name in self.objectives]
        return {"loss": sum(losses), **logs, "perplexity": ops.exp(logs["masked_lm_loss"])}

    def get_config(self) -> dict[str, Any]:
        """Return plain data that `from_config` builds an equal model from, without a tokenizer."""
        if isinstance(self.backbone, BackboneAdapter):
            raise InputError(FOREIGN)
        return {"config": self.config.to_dict(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "BertPretrainer":
        """Return the model that `get_config` described, with new weights."""
        return cls(BertConfig.from_dict(config["config"]), name=config["name"])


def _sums(labels: Any, logits: Any, weights: Any, whole: Any) -> tuple[Any, Any, Any, Any]:
    """Return the share of the loss of a global batch whose Σ w is `whole`, and Σ w · ce, Σ w · [right] and Σ w."""
    total, weight = cross_entropy_sums(labels, logits, weights)
    hits, _ = accuracy_sums(labels, logits, weights)
    return weighted_mean_loss(total, whole), ops.stop_gradient(total), ops.stop_gradient(hits), weight
