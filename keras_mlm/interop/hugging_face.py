"""Hugging Face's BERTs, in and out, without PyTorch."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mlm.config import BertConfig, dump_json
from keras_mlm.errors import InputError
from keras_mlm.interop import safetensors_file
from keras_mlm.interop.bert_tensors import (
    DECODER,
    ENCODER,
    NEXT_SENTENCE,
    POOLER,
    CheckpointTensor,
    check_classic,
    check_sizes,
    fill,
    is_tied,
    part_of,
    slots,
)
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.interop.hub import local_folder
from keras_mlm.interop.hugging_face_card import write_card
from keras_mlm.interop.hugging_face_config import CLASSES, declared_class, read_config, write_config
from keras_mlm.interop.hugging_face_labels import FINE_TUNED, read_labels, write_labels
from keras_mlm.interop.hugging_face_names import canonical_names
from keras_mlm.interop.hugging_face_tokenizer import read_row_length, read_tokenizer, write_tokenizer
from keras_mlm.interop.safetensors_file import read_safetensors, write_safetensors
from keras_mlm.interop.tensorflow_h5 import TENSORFLOW_WEIGHTS, read_tensorflow_h5
from keras_mlm.model_folder import writing
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.fine_tuned_model import FineTunedModel

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

logger = logging.getLogger(__name__)

CONFIG, CARD = "config.json", "README.md"
# The classes that a model of ours is written as: the first whose head it has, unless another is asked for.
_WRITTEN = {
    "BertPretrainer": ("BertForPreTraining", "BertForMaskedLM", "BertModel"),
    "BertTextClassifier": ("BertForSequenceClassification", "BertModel"),
    "BertTokenClassifier": ("BertForTokenClassification", "BertModel"),
}


def load_hugging_face(folder_or_name: str, *, strict: bool = True) -> Any:
    """Return the BERT of a Hugging Face folder or hub repository, with its tokenizer.

    Weights come from `model.safetensors`, from several such files with their index, or from TensorFlow's
    `tf_model.h5`. A `BertForSequenceClassification` is a `BertTextClassifier` and a `BertForTokenClassification` a
    `BertTokenClassifier`, whose `length` is what the tokenizer's settings state. A `BertModel`, `BertForMaskedLM` or
    `BertForPreTraining`, and without its head any other class, is a `BertPretrainer`. A part that the checkpoint's
    class does not have (the masked-LM head of a `BertModel`) starts anew; a warning names it. `config.next_sentence` is
    whether there is a pooler.

    Args:
        folder_or_name: str, a local folder, which never touches the network, or a name on the hub, which uses
            huggingface_hub's cache and its settings (`HF_ENDPOINT`, `HF_HUB_OFFLINE`).
        strict: bool, whether a head that is missing, unknown or of another shape is an error; otherwise it is left
            out, and a warning lists it. The encoder must be complete in any case. Defaults to `True`.

    Returns:
        A `BertPretrainer`, `BertTextClassifier` or `BertTokenClassifier`, not compiled, whose outputs are those of
        transformers to rounding.

    Raises:
        InputError: a file is missing, damaged or of another kind of model; tensors do not fit, each listed with its
            shape; or something would have to be followed out of the folder.
        RunError: the hub could not be reached.

    Example:
        ```python
        model = load_hugging_face("bert-base-uncased/")
        model.fill_mask("Paris is the [MASK] of France.")
        ```

    References:
        - [BERT in transformers](https://huggingface.co/docs/transformers/model_doc/bert)
    """
    folder = CheckpointFolder(local_folder(folder_or_name))
    config = folder.read_json(CONFIG)
    architecture = declared_class(config, f"{folder}/{CONFIG}")
    sizes = read_config(config, f"{folder}/{CONFIG}")
    tokenizer = read_tokenizer(folder)
    if tokenizer.vocabulary_size != sizes.vocabulary_size:
        raise InputError(
            f"{folder} has a vocabulary of {tokenizer.vocabulary_size} tokens, but vocab_size "
            f"{sizes.vocabulary_size} in {CONFIG}: it belongs to another model"
        )
    tensors = canonical_names(_read_weights(folder), str(folder))
    parts = {part_of(name) for name in tensors}
    sizes = read_config(
        config,
        f"{folder}/{CONFIG}",
        next_sentence=bool(parts & {POOLER, NEXT_SENTENCE}),
        tie_word_embeddings=is_tied(tensors),
    )
    check_sizes(sizes, tensors, f"{folder}/{CONFIG}")
    model = _new_model(config, architecture, sizes, tokenizer, folder, strict=strict)
    expected = CLASSES[architecture] if architecture else ()
    if isinstance(model, FineTunedModel) and not model.pooled and POOLER in parts:
        # Old versions of transformers wrote one, which new ones leave out.
        logger.warning("%s has a pooler, which a %s does not use: left out", folder, architecture)
        tensors = {name: tensor for name, tensor in tensors.items() if part_of(name) != POOLER}
    fill(model, tensors, str(folder), expected=expected, strict=strict)
    return model


def _new_model(
    data: dict[str, Any],
    architecture: str | None,
    sizes: BertConfig,
    tokenizer: "WordPieceTokenizer",
    folder: CheckpointFolder,
    *,
    strict: bool,
) -> BertPretrainer | FineTunedModel:
    """The model of ours for a class of theirs, with random weights."""
    if architecture in FINE_TUNED:
        try:
            head = read_labels(data, architecture)
            length = read_row_length(folder, sizes.max_sequence_length)
            return FINE_TUNED[architecture](sizes, tokenizer=tokenizer, length=length, **head)
        except InputError as error:
            if strict:
                way_out = "strict=False takes the encoder without its classifier"
                raise InputError(f"{folder}/{CONFIG}: {error}; {way_out}") from error
            logger.warning("%s/%s: %s: the classifier is left out, as strict=False allows", folder, CONFIG, error)
    return BertPretrainer(sizes, tokenizer=tokenizer)


def load_hugging_face_tokenizer(folder_or_name: str) -> "WordPieceTokenizer":
    """Return only the tokenizer of a Hugging Face folder or hub repository, see `load_hugging_face`."""
    return read_tokenizer(CheckpointFolder(local_folder(folder_or_name)))


def _read_weights(folder: CheckpointFolder) -> list[tuple[str, CheckpointTensor]]:
    names = folder.names()
    if safetensors_file.WEIGHTS in names or safetensors_file.INDEX in names:
        return read_safetensors(folder)
    if TENSORFLOW_WEIGHTS in names:
        return read_tensorflow_h5(folder)
    pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]
    if pickles:
        weights = sorted(pickles, key=lambda name: "model" not in name)[0]
        pattern = "pytorch_model*.bin" if weights.startswith("pytorch_model") else weights
        raise InputError(
            f"{folder} has its weights in {weights}, a pickle, which can run any code when it is read: refused. "
            'Where PyTorch and safetensors are, convert it: python -c "import glob, torch; from safetensors.torch '
            "import save_file; save_file({name: value.contiguous().clone() for path in "
            f"glob.glob('{folder}/{pattern}') for name, value in torch.load(path, map_location='cpu', "
            f"weights_only=True).items()}}, '{folder}/{safetensors_file.WEIGHTS}')\""
        )
    raise InputError(f"{folder} holds no weights: {safetensors_file.WEIGHTS} or {TENSORFLOW_WEIGHTS}")


def save_hugging_face(model: BertPretrainer | FineTunedModel, folder: str, *, architecture: str | None = None) -> None:
    """Write a model as a folder that transformers loads: weights, config, tokenizer files and card.

    Files are written aside and renamed; others in the folder stay. The temperature of a text classifier is worked into
    its last layer, so that probabilities there are those here.

    Args:
        model: BertPretrainer, BertTextClassifier (of pooling `"cls"`) or BertTokenClassifier with a tokenizer, of
            post-norm and learned positions, as every imported one is.
        folder: str, local folder; made if absent. One that holds a model already is refused.
        architecture: str, the class whose tensors are written, no more and no less: of a pre-trainer
            `"BertForPreTraining"` or `"BertForMaskedLM"` (without pooler and next-sentence head), of a classifier
            `"BertForSequenceClassification"` or `"BertForTokenClassification"`, of any `"BertModel"` (without heads).
            Defaults to `None`, the one that holds all of the model.

    Raises:
        InputError: Hugging Face's BERT cannot compute what this model does, or the folder holds a model.
        RunError: the folder could not be written.

    Example:
        ```python
        save_hugging_face(load_model("saved_models/news"), "news-bert")
        # transformers.AutoModelForMaskedLM.from_pretrained("news-bert")
        ```
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError("a model without tokenizer cannot be saved for Hugging Face: set model.tokenizer first")
    check_classic(model.config)
    architecture = _written_class(model, architecture)
    config = write_config(
        model.config, architecture=architecture, special_token_ids={"pad_token_id": tokenizer.pad_token_id}
    )
    max_length = model.config.max_sequence_length
    if isinstance(model, FineTunedModel):
        max_length = model.length
        config |= write_labels(model) if architecture in FINE_TUNED else {}
    if architecture == "BertModel" and model.backbone.pooled_dense is None:
        logger.warning("the model has no pooler: transformers makes a new one, to be trained")
    if isinstance(model, BertTextClassifier) and model.long_text != "truncate":
        logger.warning("long texts, of which this model takes the %s, are cut at their end elsewhere", model.long_text)
    if tokenizer.normalization != "bert":
        logger.warning("the tokenizer's normalization is 'fast': a few rare characters get other tokens elsewhere")
    if Path(folder, CONFIG).exists():
        raise InputError(f"{folder} holds a model already: choose another folder")
    with writing(folder) as aside:
        write_tokenizer(tokenizer, aside, max_length=max_length)
        write_safetensors(_written(model, architecture), f"{aside}/{safetensors_file.WEIGHTS}")
        for name, text in ((CARD, write_card(model, Path(folder).absolute().name)), (CONFIG, dump_json(config))):
            with open(f"{aside}/{name}", "w", encoding="utf-8") as file:
                file.write(text)


def _written_class(model: BertPretrainer | FineTunedModel, asked: str | None) -> str:
    if isinstance(model, BertTextClassifier) and model.pooling != "cls" and asked != "BertModel":
        raise InputError(
            f"a classifier with pooling {model.pooling} is none that others know: fine-tune one with --pooling cls to "
            "exchange it, or write its encoder alone, as BertModel"
        )
    there = {part_of(slot.name) for slot in slots(model)}
    kind = type(model).__name__
    fitting = [name for name in _WRITTEN[kind] if CLASSES[name] <= there]
    if asked is not None and asked not in fitting:
        raise InputError(f"this {kind} can be written as {' or '.join(fitting)}, not as {asked!r}")
    return asked or fitting[0]


def _written(model: BertPretrainer | FineTunedModel, architecture: str) -> dict[str, np.ndarray]:
    """The tensors that a class has, under the names that it gives them."""
    parts = {ENCODER, POOLER} if architecture == "BertModel" else {ENCODER, *CLASSES[architecture]}
    tensors = {slot.name: slot.value() for slot in slots(model) if part_of(slot.name) in parts}
    if DECODER in tensors:  # untied, it has a bias of its own
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    if isinstance(model, BertTextClassifier):
        for name in tensors.keys() & {"classifier.weight", "classifier.bias"}:
            tensors[name] = tensors[name] / np.float32(model.temperature)
    if architecture == "BertModel":
        return {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    return tensors
