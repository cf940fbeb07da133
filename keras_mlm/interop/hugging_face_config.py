"""Hugging Face's `config.json` and ours, either from the other."""

from typing import Any

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.bert_tensors import CLASSIFIER, MASKED_LM, NEXT_SENTENCE, POOLER, check_classic

# Their names of our two activations; the first of each is the one that is written.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}

# Ours, theirs, and what a config without the entry means.
SIZES: tuple[tuple[str, str, Any], ...] = (
    ("vocabulary_size", "vocab_size", 30522),
    ("num_layers", "num_hidden_layers", 12),
    ("num_heads", "num_attention_heads", 12),
    ("hidden_dim", "hidden_size", 768),
    ("intermediate_dim", "intermediate_size", 3072),
    ("max_sequence_length", "max_position_embeddings", 512),
    ("num_segments", "type_vocab_size", 2),
    ("dropout", "hidden_dropout_prob", 0.1),
    ("layer_norm_epsilon", "layer_norm_eps", 1e-12),
    ("initializer_range", "initializer_range", 0.02),
)

# What a class has besides the encoder. The heads of which there is nothing here are left out of a pre-trainer.
CLASSES: dict[str, set[str]] = {
    "BertModel": set(),
    "BertForMaskedLM": {MASKED_LM},
    "BertForPreTraining": {POOLER, MASKED_LM, NEXT_SENTENCE},
    "BertForNextSentencePrediction": {POOLER, NEXT_SENTENCE},
    "BertForSequenceClassification": {POOLER, CLASSIFIER},
    "BertForTokenClassification": {CLASSIFIER},
    "BertForMultipleChoice": {POOLER},
    "BertForQuestionAnswering": set(),
}

# Entries that change what the model computes, and the values with which they do not.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}


def read_config(data: dict[str, Any], source: str, **parts: bool) -> BertConfig:
    """Return our config for one of theirs. Only the entries that are known are looked at; none is followed.

    Args:
        data: dict, what their `config.json` holds.
        source: str, what messages call it.
        **parts: bool, `next_sentence` and `tie_word_embeddings`, which the weights tell.

    Returns:
        A `BertConfig`.

    Raises:
        InputError: another kind of model, or one that computes something else; the message names the entry.
    """
    model_type = data.get("model_type", "bert")
    if model_type != "bert":
        raise InputError(f"{source} is of model_type {model_type!r}; only 'bert' is read")
    for name, neutral in _NEUTRAL.items():
        if name in data and data[name] not in neutral:
            raise InputError(f"{source} has {name} {data[name]!r}: this package has no such BERT")
    activation = data.get("hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise InputError(f"{source} has hidden_act {activation!r}; known are {', '.join(ACTIVATIONS)}")
    sizes = {ours: data.get(theirs, default) for ours, theirs, default in SIZES}
    for ours, theirs, default in SIZES:
        kinds = (int, float) if isinstance(default, float) else (int,)
        if not isinstance(sizes[ours], kinds) or isinstance(sizes[ours], bool):
            raise InputError(f"{source} has {theirs} {sizes[ours]!r}, where a number belongs")
    try:
        return BertConfig(**sizes, activation=ACTIVATIONS[activation], **parts)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def declared_class(data: dict[str, Any], source: str) -> str | None:
    """Return the class that a config names, or `None`. Raises `InputError` if it is none of BERT's."""
    named = data.get("architectures") or [None]
    name = named[0] if isinstance(named, list) and len(named) == 1 else named
    if name is not None and (not isinstance(name, str) or name not in CLASSES):
        raise InputError(f"{source} names the class {name!r}; known are {', '.join(CLASSES)}")
    return name


def write_config(config: BertConfig, *, architecture: str, special_token_ids: dict[str, int]) -> dict[str, Any]:
    """Return their `config.json` for one of ours.

    Args:
        config: BertConfig with post-norm and learned positions.
        architecture: str, the class of the checkpoint.
        special_token_ids: dict of their entry, such as `"pad_token_id"`, to id.

    Returns:
        A dict of plain data.

    Raises:
        InputError: their BERT cannot compute what this model does.
    """
    check_classic(config)
    return {
        "architectures": [architecture],
        "model_type": "bert",
        **{theirs: getattr(config, ours) for ours, theirs, _ in SIZES},
        "attention_probs_dropout_prob": config.dropout,
        "hidden_act": {"gelu": "gelu", "gelu_tanh": "gelu_new"}[config.activation],
        "position_embedding_type": "absolute",
        "tie_word_embeddings": config.tie_word_embeddings,
        "torch_dtype": "float32",
        **special_token_ids,
    }
