"""Presets of KerasHub as local folders."""

import os
import shutil
from pathlib import Path

from keras_mlm.errors import InputError, RunError
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.interop.keras_hub import load_keras_hub, to_keras_hub
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.fine_tuned_model import FineTunedModel
from keras_mlm.tokenizers.normalization import strips_accents
from keras_mlm.weights_file import check_weights_file


def load_keras_hub_preset(folder: str) -> BertPretrainer:
    """Return the BERT of a KerasHub preset in a local folder, with its tokenizer, see `load_keras_hub`.

    Args:
        folder: str, a local folder as `save_to_preset` writes it. Nothing is fetched.

    Returns:
        A `BertPretrainer`, not compiled.

    Raises:
        InputError: it is no preset of a BertBackbone, or damaged.
    """
    place = CheckpointFolder(folder)
    # KerasHub would also read a folder of Hugging Face's, with the tanh-GELU, and any class that a config names.
    if place.read_json("config.json").get("registered_name") != "keras_hub>BertBackbone":
        raise InputError(f"{folder}/config.json is none of a KerasHub BertBackbone; a folder of Hugging Face's is hf:")
    check_weights_file(str(place.file("model.weights.h5")))
    place.file("tokenizer.json")
    import keras_hub

    path = str(Path(folder).absolute())
    try:
        backbone = keras_hub.models.BertBackbone.from_preset(path)
        tokenizer = keras_hub.models.BertTokenizer.from_preset(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise InputError(f"{folder} is no BERT preset of KerasHub: {str(error).splitlines()[0]}") from error
    return load_keras_hub(backbone, tokenizer)


def save_keras_hub_preset(model: BertPretrainer | FineTunedModel, folder: str) -> None:
    """Write an encoder and its tokenizer as a preset folder that `keras_hub.models.BertBackbone.from_preset` reads.

    Args:
        model: BertPretrainer or fine-tuned model with a tokenizer, see `to_keras_hub`.
        folder: str, local folder, new or empty.

    Raises:
        InputError: KerasHub's BERT cannot compute what this model does.
        RunError: the folder could not be written.
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError("a model without tokenizer cannot be saved as a preset: set model.tokenizer first")
    backbone = to_keras_hub(model)
    import keras_hub

    strips = strips_accents(tokenizer.normalization, tokenizer.lowercase, tokenizer.strip_accents)
    theirs = keras_hub.models.BertTokenizer(tokenizer.vocabulary, lowercase=tokenizer.lowercase, strip_accents=strips)
    aside = f"{folder.rstrip('/')}.writing-{os.getpid()}"
    try:
        backbone.save_to_preset(aside)
        theirs.save_to_preset(aside)
        Path(aside).replace(folder)
    except OSError as error:
        raise RunError(f"{folder} could not be written, nothing of it is left: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
