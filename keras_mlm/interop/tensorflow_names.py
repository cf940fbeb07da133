"""The names of Google's TF 1 checkpoints and of the Model Garden's TF 2 checkpoints, as Hugging Face's."""

import dataclasses
import re
from typing import Literal

# How a tensor gets PyTorch's layout: as it is, transposed, flattened, or its heads joined and then transposed.
Layout = Literal["same", "transposed", "flat", "heads_in", "heads_out"]

# What an optimizer, a counter or TensorFlow itself keeps beside the weights.
_BOOKKEEPING = re.compile(
    r"(^|/)(global_step|_?CHECKPOINTABLE_OBJECT_GRAPH|save_counter|step|beta[12]_power|loss_scale|good_steps|"
    r"current_loss_scale|training_steps|learning_rate|iter(ations)?|optimizer|_optimizer|trainer_metrics|"
    r"adam_[mv]|lamb_[mv]|AdamWeightDecayOptimizer(_\d+)?|Adam(_\d+)?|\.OPTIMIZER_SLOT)(/|$)"
)
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@dataclasses.dataclass(frozen=True)
class TensorName:
    """Hugging Face's name of a TensorFlow variable, and how its values are laid out."""

    name: str
    layout: Layout = "same"


def is_model_garden(names: list[str]) -> bool:
    """Return whether a checkpoint is one of TF 2 objects, as the Model Garden writes, not of TF 1 names."""
    return any(name.endswith(_VALUE) for name in names)


def is_bookkeeping(name: str) -> bool:
    """Return whether a variable is no weight: an optimizer's moments, a counter."""
    return _BOOKKEEPING.search(name.removesuffix(_VALUE)) is not None


def from_google(name: str) -> TensorName:
    """Return Hugging Face's name for one of google-research/bert.

    Args:
        name: str, such as `"bert/encoder/layer_0/attention/self/query/kernel"`.

    Returns:
        A `TensorName`, such as `"bert.encoder.layer.0.attention.self.query.weight"`, transposed.
    """
    fixed = {
        "cls/predictions/output_bias": "cls.predictions.bias",
        "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
        "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
        "output_weights": "classifier.weight",  # of a fine-tuned model
        "output_bias": "classifier.bias",
    }
    if name in fixed:
        return TensorName(fixed[name])
    dotted = re.sub(r"layer_(\d+)", r"layer.\1", name).replace("/", ".")
    if dotted.endswith(".kernel"):
        return TensorName(dotted.removesuffix("kernel") + "weight", "transposed")
    return TensorName(dotted + ".weight" if dotted.endswith("_embeddings") else dotted)


# The Model Garden's encoder is a functional model, whose layers with weights are numbered, or a class with attributes.
_EMBEDDINGS = {
    ("layer_with_weights-0", "_embedding_layer"): "embeddings.word_embeddings",
    ("layer_with_weights-1", "_position_embedding_layer"): "embeddings.position_embeddings",
    ("layer_with_weights-2", "_type_embedding_layer"): "embeddings.token_type_embeddings",
    ("layer_with_weights-3", "_embedding_norm_layer"): "embeddings.LayerNorm",
}
_BLOCK: dict[str, tuple[str, Layout]] = {
    "_attention_layer/_query_dense": ("attention.self.query", "heads_in"),
    "_attention_layer/_key_dense": ("attention.self.key", "heads_in"),
    "_attention_layer/_value_dense": ("attention.self.value", "heads_in"),
    "_attention_layer/_output_dense": ("attention.output.dense", "heads_out"),
    "_attention_output_dense": ("attention.output.dense", "heads_out"),
    "_attention_layer_norm": ("attention.output.LayerNorm", "same"),
    "_intermediate_dense": ("intermediate.dense", "transposed"),
    "_output_dense": ("output.dense", "transposed"),
    "_output_layer_norm": ("output.LayerNorm", "same"),
}
_HEADS: dict[str, tuple[str, Layout]] = {
    "masked_lm/dense": ("cls.predictions.transform.dense", "transposed"),
    "masked_lm/layer_norm": ("cls.predictions.transform.LayerNorm", "same"),
    "next_sentence..pooler_dense": ("bert.pooler.dense", "transposed"),
    "next_sentence/dense": ("bert.pooler.dense", "transposed"),
    "next_sentence/out_proj": ("cls.seq_relationship", "transposed"),
    "classification_heads/0/dense": ("bert.pooler.dense", "transposed"),
    "classification_heads/0/out_proj": ("cls.seq_relationship", "transposed"),
}
_KINDS = {"kernel": "weight", "gamma": "weight", "embeddings": "weight", "bias": "bias", "beta": "bias"}


def from_model_garden(name: str, num_layers: int) -> TensorName:
    """Return Hugging Face's name for one of the Model Garden.

    Args:
        name: str, such as `"encoder/layer_with_weights-4/_output_dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"`.
        num_layers: int, encoder blocks: they are numbered after four embedding layers and before the pooler.

    Returns:
        A `TensorName`; an unknown name as it is. The encoder's own pooler is named `"encoder.pooler.…"`, because
        beside a next-sentence head, which has the trained one, it never learned anything.
    """
    path = name.removesuffix(_VALUE).removeprefix("model/")
    if path == "masked_lm/embedding_table":
        return TensorName("bert.embeddings.word_embeddings.weight")
    if path in ("masked_lm/output_bias.Sbias", "masked_lm/bias", "masked_lm/output_bias"):
        return TensorName("cls.predictions.bias")
    owner, _, kind = path.rpartition("/")
    if kind in _KINDS and owner in _HEADS:
        target, layout = _HEADS[owner]
        return TensorName(f"{target}.{_KINDS[kind]}", layout if kind == "kernel" else "same")
    layer, _, rest = owner.removeprefix("encoder/").partition("/")
    if not owner.startswith("encoder/") or kind not in _KINDS:
        return TensorName(path)
    for spellings, target in _EMBEDDINGS.items():
        if layer in spellings and not rest:
            return TensorName(f"bert.{target}.{_KINDS[kind]}")
    number = re.fullmatch(r"layer_with_weights-(\d+)", layer)
    index = int(number.group(1)) - 4 if number else None
    if layer == "_transformer_layers":
        block, _, rest = rest.partition("/")
        index = int(block) if block.isdecimal() else None
    if layer == "_pooler_layer" or (index == num_layers and not rest):
        return TensorName(f"encoder.pooler.{_KINDS[kind]}", "transposed" if kind == "kernel" else "same")
    if index is None or rest not in _BLOCK:
        return TensorName(path)
    target, layout = _BLOCK[rest]
    if kind == "bias":
        layout = "flat" if layout == "heads_in" else "same"
    return TensorName(f"bert.encoder.layer.{index}.{target}.{_KINDS[kind]}", layout)
