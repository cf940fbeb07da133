"""Hugging Face's BERTs, in and out, without PyTorch."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_mlm.config import BertConfig, dump_json
from keras_mlm.errors import InputError
from keras_mlm.interop import safetensors_file
from keras_mlm.interop.bert_tensors import (
    DECODER,
    ENCODER,
    MASKED_LM,
    NEXT_SENTENCE,
    POOLER,
    CheckpointTensor,
    check_sizes,
    fill,
    is_tied,
    part_of,
    slots,
)
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.interop.hub import local_folder
from keras_mlm.interop.hugging_face_config import CLASSES, declared_class, read_config, write_config
from keras_mlm.interop.hugging_face_names import canonical_names
from keras_mlm.interop.hugging_face_tokenizer import read_tokenizer, write_tokenizer
from keras_mlm.interop.safetensors_file import read_safetensors, write_safetensors
from keras_mlm.interop.tensorflow_h5 import TENSORFLOW_WEIGHTS, read_tensorflow_h5
from keras_mlm.model_folder import writing
from keras_mlm.models.bert_pretrainer import BertPretrainer

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

logger = logging.getLogger(__name__)

CONFIG, CARD = "config.json", "README.md"
# The classes that are written, and the parts that they have.
_WRITTEN = {
    "BertForPreTraining": {ENCODER, POOLER, MASKED_LM, NEXT_SENTENCE},
    "BertForMaskedLM": {ENCODER, MASKED_LM},
    "BertModel": {ENCODER, POOLER},
}
_CARD = """\
---
library_name: transformers
pipeline_tag: fill-mask
tags: [bert, masked-language-model, keras_mlm]
---

# {name}

A BERT of {layers} layers × {hidden}, {heads} heads and {vocabulary:,} WordPiece tokens, trained or carried over with
keras_mlm.

```python
from transformers import pipeline

pipeline("fill-mask", "{name}")("A sentence with a [MASK] in it .")
```

It repeats what its training text says, with its mistakes and prejudices; its guesses are no statements of fact.
"""


def load_hugging_face(folder_or_name: str, *, strict: bool = True) -> BertPretrainer:
    """Return the BERT of a Hugging Face folder or hub repository, with its tokenizer.

    Weights come from `model.safetensors`, from several such files with their index, or from TensorFlow's
    `tf_model.h5`; of `BertModel`, `BertForMaskedLM`, `BertForPreTraining`, and, without their heads, of the classifying
    classes. A part that the checkpoint's class does not have (the masked-LM head of a `BertModel`) starts anew; a
    warning names it. `config.next_sentence` is whether there is a pooler.

    Args:
        folder_or_name: str, a local folder, which never touches the network, or a name on the hub, which uses
            huggingface_hub's cache and its settings (`HF_ENDPOINT`, `HF_HUB_OFFLINE`).
        strict: bool, whether a head that is missing, unknown or of another shape is an error; otherwise it is left
            out, and a warning lists it. The encoder must be complete in any case. Defaults to `True`.

    Returns:
        A `BertPretrainer`, not compiled, whose outputs are those of transformers to rounding.

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
    model = BertPretrainer(sizes, tokenizer=tokenizer)
    expected = CLASSES[architecture] if architecture else ()
    fill(model, tensors, str(folder), expected=expected, strict=strict)
    return model


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
        raise InputError(
            f"{folder} has its weights in {pickles[0]}, a pickle, which can run any code when it is read: refused. "
            'Where PyTorch is, and you trust the file, convert it: python -c "from transformers import '
            f"BertForPreTraining as B; B.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )
    raise InputError(f"{folder} holds no weights: {safetensors_file.WEIGHTS} or {TENSORFLOW_WEIGHTS}")


def save_hugging_face(model: BertPretrainer, folder: str, *, architecture: str | None = None) -> None:
    """Write a model as a folder that transformers loads: weights, config, tokenizer files and card.

    Files are written aside and renamed; others in the folder stay.

    Args:
        model: BertPretrainer with a tokenizer, of post-norm and learned positions, as every imported one is.
        folder: str, local folder; made if absent. One that holds a model already is refused.
        architecture: `"BertForPreTraining"`, `"BertForMaskedLM"` (without pooler and next-sentence head) or
            `"BertModel"` (without heads), the class whose tensors are written, no more and no less. Defaults to `None`,
            the one that holds all of the model.

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
    architecture = architecture or ("BertForPreTraining" if model.config.next_sentence else "BertForMaskedLM")
    if architecture not in _WRITTEN:
        raise InputError(f"architecture must be one of {', '.join(_WRITTEN)}, not {architecture!r}")
    if architecture == "BertForPreTraining" and not model.config.next_sentence:
        raise InputError("the model has no next-sentence head, which a BertForPreTraining needs: BertForMaskedLM fits")
    config = write_config(
        model.config, architecture=architecture, special_token_ids={"pad_token_id": tokenizer.pad_token_id}
    )
    if tokenizer.normalization != "bert":
        logger.warning("the tokenizer's normalization is 'fast': a few rare characters get other tokens elsewhere")
    if Path(folder, CONFIG).exists():
        raise InputError(f"{folder} holds a model already: choose another folder")
    with writing(folder) as aside:
        write_tokenizer(tokenizer, aside, max_length=model.config.max_sequence_length)
        write_safetensors(_written(model, architecture), f"{aside}/{safetensors_file.WEIGHTS}")
        for name, text in ((CARD, _card(model.config, Path(folder).absolute().name)), (CONFIG, dump_json(config))):
            with open(f"{aside}/{name}", "w", encoding="utf-8") as file:
                file.write(text)


def _written(model: BertPretrainer, architecture: str) -> dict[str, np.ndarray]:
    """The tensors that a class has, under the names that it gives them."""
    tensors = {slot.name: slot.value() for slot in slots(model) if part_of(slot.name) in _WRITTEN[architecture]}
    if DECODER in tensors:  # untied, it has a bias of its own
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    if architecture == "BertModel":
        return {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    return tensors


def _card(config: BertConfig, name: str) -> str:
    return _CARD.format(
        name=name,
        layers=config.num_layers,
        hidden=config.hidden_dim,
        heads=config.num_heads,
        vocabulary=config.vocabulary_size,
    )
