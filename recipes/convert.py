"""Carry a BERT from one home to another: read ▶ written ▶ read again ▶ compared."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from keras_mlm import command_line


def convert(
    *,
    source: Annotated[str, Parameter(name="--from")],
    target: Annotated[str, Parameter(name="--to")],
    architecture: Literal[
        "BertForPreTraining",
        "BertForMaskedLM",
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertModel",
    ]
    | None = None,
    strict: bool = True,
) -> dict[str, Any]:
    """Convert a BERT between this package, Hugging Face, Google's checkpoints and KerasHub, and compare the two.

    Pre-trained models and classifiers; KerasHub gets the encoder. The report says how far the outputs of what was
    written are from those of what was read, on random rows, and where transformers is installed, how far a folder of
    Hugging Face's is from what transformers makes of it.

    Args:
        source: Model folder, hf:FOLDER (or a name on the hub), google:FOLDER (TF 1, Model Garden) or keras_hub:FOLDER.
        target: Model folder, hf:FOLDER or keras_hub:FOLDER; new, never overwritten.
        architecture: Class that a folder of Hugging Face's is written for; by default the one that holds everything.
        strict: --strict=false leaves out heads that do not fit, such as a question answerer's, and says so.

    Returns:
        The figures that parity.json holds.
    """
    from keras_mlm.config import dump_json
    from keras_mlm.errors import InputError
    from keras_mlm.interop.named_model import load_named, split_name

    kind, folder = split_name(target)
    if kind == "google":
        raise InputError("TF 1 checkpoints are read, not written: choose a model folder, hf:FOLDER or keras_hub:FOLDER")
    if Path(folder).exists() and any(Path(folder).iterdir()):
        raise InputError(f"{folder} exists and is not empty: choose another folder")
    if architecture is not None and kind != "hf":
        raise InputError("--architecture is for --to hf:FOLDER")

    import tensorflow as tf

    from keras_mlm.interop.hugging_face import save_hugging_face
    from keras_mlm.interop.keras_hub_preset import save_keras_hub_preset
    from keras_mlm.interop.parity import ENCODER_OUTPUTS, beside_transformers, compare
    from keras_mlm.model_folder import save_model

    model = load_named(source, strict=strict)
    classes = f", {len(model.classes):,} classes" if hasattr(model, "classes") else ""
    tokens = f"{model.tokenizer.vocabulary_size:,} tokens"
    print(f"read {source}, a {type(model).__name__}: {model.count_params():,} parameters, {tokens}{classes}")
    if kind == "hf":
        save_hugging_face(model, folder, architecture=architecture)
    elif kind == "keras_hub":
        save_keras_hub_preset(model, folder)
    else:
        save_model(model, folder)

    figures: dict[str, Any] = {"from": split_name(source)[0] or "keras_mlm", "to": kind or "keras_mlm"}
    figures["written"] = compare(model, load_named(target, strict=False))
    if kind == "keras_hub" or architecture == "BertModel":  # they have no heads: those just read are new ones
        figures["written"] |= {name: None for name in figures["written"] if name not in ENCODER_OUTPUTS}
    for side, name in (("from", source), ("to", target)):
        if split_name(name)[0] == "hf":
            figures[f"transformers, {side}"] = beside_transformers(model, split_name(name)[1])
    print("\nlargest difference beside        " + "  ".join(f"{name:>15}" for name in figures["written"]))
    for name, found in figures.items():
        if isinstance(found, dict):
            print(f"{name:30}   " + "  ".join(_shown(found.get(output)) for output in figures["written"]))
        elif found is None:
            print(f"{name:30}   not compared: it takes transformers, PyTorch and safetensors in a local folder")
    with tf.io.gfile.GFile(tf.io.gfile.join(folder, "parity.json"), "w") as file:
        file.write(dump_json(figures))
    print(f"\nwritten to {folder}")
    return figures


def _shown(value: float | None) -> str:
    return f"{'absent':>15}" if value is None else f"{value:15.1e}"


if __name__ == "__main__":
    command_line.run(convert)
