"""KerasHub's BERT, in and out."""

import logging
from typing import Any

import numpy as np
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.bert_tensors import CheckpointTensor, check_classic, fill, slots
from keras_mlm.layers.modeling.gelu import ACTIVATIONS
from keras_mlm.models.backbone_adapter import BackboneAdapter
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.fine_tuned_model import FineTunedModel
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

logger = logging.getLogger(__name__)

EPSILON = 1e-12  # which KerasHub's BertBackbone has, whatever the config
# What its constructor takes and ours, under the same names.
_SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
    "num_segments",
    "dropout",
)


def load_keras_hub(backbone: Any, tokenizer: Any = None) -> BertPretrainer:
    """Return the BERT of a KerasHub backbone, with new heads, or of a `BertPretrainer` around one, with its heads.

    The activation is KerasHub's tanh-GELU, so the outputs are those of the backbone.

    Args:
        backbone: `keras_hub.models.BertBackbone`, or `BertPretrainer(backbone=…)` of one.
        tokenizer: `keras_hub.models.BertTokenizer` or `WordPieceTokenizer`. KerasHub's own keeps accents where it
            lower-cases, unlike what its weights were trained with; here accents go with the case. Defaults to `None`,
            that of a `BertPretrainer`, or none.

    Returns:
        A `BertPretrainer`, not compiled, that shares no variable with what was given.

    Raises:
        InputError: it is another backbone, or the tokenizer does not fit it.

    Example:
        ```python
        hub = keras_hub.models.BertBackbone.from_preset("bert_base_en_uncased")
        model = load_keras_hub(hub, keras_hub.models.BertTokenizer.from_preset("bert_base_en_uncased"))
        ```

    References:
        - [KerasHub's BERT](https://keras.io/keras_hub/api/models/bert/)
    """
    pretrainer = backbone if isinstance(backbone, BertPretrainer) else None
    if pretrainer is not None:
        if not isinstance(pretrainer.backbone, BackboneAdapter):
            raise InputError("the model has a backbone of this package already")
        backbone, tokenizer = pretrainer.backbone.backbone, tokenizer or pretrainer.tokenizer
    import keras_hub

    if not isinstance(backbone, keras_hub.models.BertBackbone):
        raise InputError(f"only KerasHub's BertBackbone is taken over, not a {type(backbone).__name__}")
    tokenizer = _our_tokenizer(tokenizer)
    sizes = {name: getattr(backbone, name) for name in _SIZES}
    config = BertConfig(**sizes, layer_norm_epsilon=EPSILON, activation="gelu_tanh")
    if tokenizer is not None and tokenizer.vocabulary_size != config.vocabulary_size:
        raise InputError(
            f"the tokenizer has {tokenizer.vocabulary_size} tokens, the backbone {config.vocabulary_size}: it belongs "
            "to another model"
        )
    model = BertPretrainer(config, tokenizer=tokenizer)
    tensors = {name: _tensor(variable, kind) for name, (variable, kind) in _variables(backbone).items()}
    fill(model, tensors, f"KerasHub's {backbone.name}")
    if pretrainer is not None:
        model.masked_lm_head.set_weights(pretrainer.masked_lm_head.get_weights())
        if model.next_sentence_head is not None and pretrainer.next_sentence_head is not None:
            model.next_sentence_head.set_weights(pretrainer.next_sentence_head.get_weights())
    return model


def to_keras_hub(model: BertPretrainer | FineTunedModel) -> Any:
    """Return a KerasHub backbone with the weights of a model's encoder; it has no heads.

    Its outputs are the model's. A model with the exact GELU gives a backbone whose layers were changed to it; saved as
    a preset and loaded again, KerasHub computes the tanh approximation, about 3e-3 away.

    Args:
        model: BertPretrainer or fine-tuned model of post-norm and learned positions.

    Returns:
        A `keras_hub.models.BertBackbone`.

    Raises:
        InputError: KerasHub's BERT cannot compute what this model does.

    Example:
        ```python
        backbone = to_keras_hub(load_model("saved_models/news"))
        classifier = keras_hub.models.BertTextClassifier(backbone, num_classes=2)
        ```
    """
    import keras_hub

    config = model.config
    check_classic(config)
    if config.layer_norm_epsilon != EPSILON:
        raise InputError(f"layer_norm_epsilon is {config.layer_norm_epsilon}; KerasHub's BERT has {EPSILON} only")
    sizes = {name: getattr(config, name) for name in _SIZES}
    backbone = keras_hub.models.BertBackbone(**sizes, dtype="float32")
    values = {slot.name: slot.value() for slot in slots(model)}
    for name, (variable, kind) in _variables(backbone).items():
        if name in values:
            value = values[name].T if "kernel" in kind else values[name]
            variable.assign(np.reshape(value, variable.shape))
        elif name == "bert.pooler.dense.weight":
            logger.warning("the model has no pooler: that of the KerasHub backbone is new, to be trained")
    if config.activation == "gelu":
        for layer in backbone.transformer_layers:
            layer._feedforward_intermediate_dense.activation = ACTIVATIONS["gelu"]
        logger.warning("KerasHub presets know the tanh-GELU only: a saved one will be up to 5e-4 a layer away")
    return backbone


def _our_tokenizer(tokenizer: Any) -> WordPieceTokenizer | None:
    if tokenizer is None or isinstance(tokenizer, WordPieceTokenizer):
        return tokenizer
    for name in ("get_vocabulary", "lowercase"):
        if not hasattr(tokenizer, name):
            raise InputError(f"a {type(tokenizer).__name__} is no BertTokenizer of KerasHub")
    return WordPieceTokenizer(tokenizer.get_vocabulary(), normalization="bert", lowercase=bool(tokenizer.lowercase))


def _tensor(variable: Any, kind: str) -> CheckpointTensor:
    value = np.asarray(ops.convert_to_numpy(variable), "float32")
    if kind == "bias":  # of heads: (heads, width)
        value = value.reshape(-1)
    if kind == "kernel_in":  # (hidden, heads, width)
        value = value.reshape(value.shape[0], -1)
    if kind == "kernel_out":  # (heads, width, hidden)
        value = value.reshape(-1, value.shape[-1])
    value = value.T if "kernel" in kind else value
    return CheckpointTensor(value.shape, lambda: value)


def _variables(backbone: Any) -> dict[str, tuple[Any, str]]:
    """Hugging Face's names of a KerasHub backbone's variables, and what each is."""
    found = {
        "bert.embeddings.word_embeddings.weight": (backbone.token_embedding.embeddings, "table"),
        "bert.embeddings.position_embeddings.weight": (backbone.position_embedding.position_embeddings, "table"),
        "bert.embeddings.token_type_embeddings.weight": (backbone.segment_embedding.embeddings, "table"),
    }
    norms = {"bert.embeddings.LayerNorm": backbone.embeddings_layer_norm}
    denses = {"bert.pooler.dense": backbone.pooled_dense}
    for index, layer in enumerate(backbone.transformer_layers):
        name, attention = f"bert.encoder.layer.{index}", layer._self_attention_layer
        denses |= {
            f"{name}.attention.self.query": attention._query_dense,
            f"{name}.attention.self.key": attention._key_dense,
            f"{name}.attention.self.value": attention._value_dense,
            f"{name}.attention.output.dense": attention._output_dense,
            f"{name}.intermediate.dense": layer._feedforward_intermediate_dense,
            f"{name}.output.dense": layer._feedforward_output_dense,
        }
        norms |= {
            f"{name}.attention.output.LayerNorm": layer._self_attention_layer_norm,
            f"{name}.output.LayerNorm": layer._feedforward_layer_norm,
        }
    for name, dense in denses.items():
        kind = (
            "kernel_in" if ".self." in name else "kernel_out" if name.endswith("attention.output.dense") else "kernel"
        )
        found |= {f"{name}.weight": (dense.kernel, kind), f"{name}.bias": (dense.bias, "bias")}
    for name, norm in norms.items():
        found |= {f"{name}.weight": (norm.gamma, "table"), f"{name}.bias": (norm.beta, "table")}
    return found
