"""The README.md of an export: what it is, where it comes from, how to ask it, with what versions it was made."""

import importlib.metadata
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_mlm.export.signature import Signature
from keras_mlm.model_card import markdown_table
from keras_mlm.model_folder import read_metrics

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

CARD = "README.md"
_PACKAGES = ("keras-mlm", "tensorflow", "tensorflow-text", "keras")

_TEXT = """\
---
library_name: {library}
pipeline_tag: fill-mask
license: {licence}
tags: [bert, masked-language-model, keras_mlm]
---

# {name}, {kind}

A BERT encoder, pre-trained {objectives}.

{about}

## Use

{use}

## Signatures

{signatures}
## Model

{model}

## Training

{training}

## Results

{results}

Perplexity is over the masked tokens of held-out documents, of the model before export.

## Versions

{versions}

## Limits

Texts are cut to {length} tokens, special tokens included. The model repeats what its training text says, with its
mistakes and prejudices; it knows nothing outside that text, and its guesses are no statements of fact. The licence is
for the owner of the training text to state: it is the field `license` above.
"""


def export_card(
    model: "BertPretrainer",
    signatures: Sequence[Signature],
    *,
    name: str,
    kind: str,
    about: str,
    use: str,
    length: int,
    model_folder: str,
    packages: Sequence[str] = (),
) -> str:
    """Return the Markdown of an export's card. It holds figures and settings, never text of the corpus.

    Args:
        model: BertPretrainer that was exported.
        signatures: sequence of `Signature` that the export has.
        name: str, the model's name.
        kind: str, what sort of export it is.
        about: str, sentences on what that sort needs and gives.
        use: str, Markdown that shows how to ask it.
        length: int, the longest row in tokens.
        model_folder: str, the folder whose figures and training settings are repeated; it need not have any.
        packages: sequence of str, packages besides TensorFlow and Keras whose versions count. Defaults to none.

    Returns:
        A str.
    """
    config, tokenizer = model.config, model.tokenizer
    run = tf.io.gfile.join(model_folder, "run", "run.json")
    training: dict[str, Any] = {}
    if tf.io.gfile.exists(run):
        with tf.io.gfile.GFile(run) as file:
            training = json.loads(file.read()).get("pretraining") or {}
    facts = {
        "architecture": f"{config.num_layers} layers × {config.hidden_dim}, {config.num_heads} heads",
        "norm, positions": f"{config.norm}-norm, {config.position}",
        "parameters": f"{model.count_params():,}",
        "vocabulary": f"{tokenizer.vocabulary_size:,} WordPiece tokens, "
        + ("lower-cased" if tokenizer.lowercase else "cased"),
        "normalization": tokenizer.normalization,
        "vocabulary sha256": f"`{tokenizer.vocabulary_hash}`",
    }
    return _TEXT.format(
        library="tensorflow" if kind == "SavedModel" else kind.lower(),
        licence="unknown",
        name=name,
        kind=kind,
        objectives="to fill masks and to tell whether two passages follow each other"
        if config.next_sentence
        else "to fill masks",
        about=about.strip(),
        use=use.strip(),
        signatures="\n".join(map(_signature, signatures)),
        model=markdown_table(facts),
        training=markdown_table(training),
        results=markdown_table(read_metrics(model_folder)),
        versions=markdown_table({package: _version(package) for package in (*_PACKAGES, *packages)}),
        length=length,
    )


def _signature(signature: Signature) -> str:
    shapes = [", ".join("any" if size is None else str(size) for size in spec.shape) for spec in signature.inputs]
    inputs = [
        f"* in `{spec.name}`: {spec.dtype.name} ({shape})" for spec, shape in zip(signature.inputs, shapes, strict=True)
    ]
    outputs = [f"* out `{name}`: {what}" for name, what in signature.outputs.items()]
    return "\n".join([f"### `{signature.name}`", "", signature.summary, "", *inputs, *outputs, ""])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
