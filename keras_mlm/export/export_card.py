"""The README.md of an export: what it is, where it comes from, how to ask it, with what versions it was made."""

import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_mlm.export.card_words import card_words
from keras_mlm.export.signature import Signature
from keras_mlm.model_card import markdown_table
from keras_mlm.model_folder import read_metrics

CARD = "README.md"
_PACKAGES = ("keras-mlm", "tensorflow", "tensorflow-text", "keras")

_TEXT = """\
---
library_name: {library}
pipeline_tag: {words.pipeline}
license: {licence}
tags: [bert, {words.tag}, keras_mlm]
---

# {name}, {kind}

{words.task}

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

{words.results}

## Versions

{versions}

## Limits

{words.limits}
"""


def write_export_card(
    path: str,
    model: Any,
    signatures: Sequence[Signature],
    *,
    folder: str,
    model_folder: str | None,
    kind: str,
    about: str,
    use: str,
    length: int,
    packages: Sequence[str] = (),
) -> None:
    """Write the card of an export, Markdown. It holds figures and settings, never text of the corpus.

    Args:
        path: str, the folder to write into.
        model: the model that was exported.
        signatures: sequence of `Signature` that the export has.
        folder: str, the folder of the numbered folders, whose name is the model's.
        model_folder: str, the folder whose figures and training settings are repeated; it need not have any. `None`
            for `folder`.
        kind: str, what sort of export it is.
        about: str, sentences on what that sort needs and gives.
        use: str, Markdown that shows how to ask it.
        length: int, the longest row in tokens.
        packages: sequence of str, packages besides TensorFlow and Keras whose versions count. Defaults to none.
    """
    model_folder = model_folder or folder
    config, tokenizer = model.config, model.tokenizer
    facts = {
        "architecture": f"{config.num_layers} layers × {config.hidden_dim}, {config.num_heads} heads",
        "norm, positions": f"{config.norm}-norm, {config.position}",
        "parameters": f"{model.count_params():,}",
        "vocabulary": f"{tokenizer.vocabulary_size:,} WordPiece tokens, "
        + ("lower-cased" if tokenizer.lowercase else "cased"),
        "normalization": tokenizer.normalization,
        "vocabulary sha256": f"`{tokenizer.vocabulary_hash}`",
    }
    text = _TEXT.format(
        library="tensorflow" if kind == "SavedModel" else kind.lower(),
        licence="unknown",
        name=Path(folder).absolute().name,
        kind=kind,
        words=card_words(model, length),
        about=about.strip(),
        use=use.strip(),
        signatures="\n".join(_signature(signature, served=kind == "SavedModel") for signature in signatures),
        model=markdown_table(facts),
        training=markdown_table(_training(model_folder)),
        results=markdown_table(read_metrics(model_folder)),
        versions=markdown_table({package: _version(package) for package in (*_PACKAGES, *packages)}),
    )
    with tf.io.gfile.GFile(tf.io.gfile.join(path, CARD), "w") as file:
        file.write(text)


def _training(model_folder: str) -> dict[str, Any]:
    run = tf.io.gfile.join(model_folder, "run", "run.json")
    if not tf.io.gfile.exists(run):
        return {}
    with tf.io.gfile.GFile(run) as file:
        settings = json.loads(file.read())
    return settings.get("finetuning") or settings.get("pretraining") or {}


def _signature(signature: Signature, *, served: bool) -> str:
    shapes = [", ".join("any" if size is None else str(size) for size in spec.shape) for spec in signature.inputs]
    inputs = [
        f"* in `{spec.name}`: {spec.dtype.name} ({shape})" for spec, shape in zip(signature.inputs, shapes, strict=True)
    ]
    outputs = [f"* out `{name}`: {what}" for name, what in signature.outputs.items()]
    example = [f"* example: `{_request(signature)}`"] if served else []
    return "\n".join([f"### `{signature.name}`", "", signature.summary, "", *inputs, *outputs, *example, ""])


def _request(signature: Signature) -> str:
    """The body of a REST request of one row; of a row of ids its beginning."""
    row: dict[str, Any] = {}
    for name, values in signature.example(1).items():
        first = values[0]
        row[name] = first if isinstance(first, str) else [*first[:6].tolist(), "…"]
    body = json.dumps({"signature_name": signature.name, "instances": [row]}, ensure_ascii=False)
    return body.replace('"…"', "…")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
