"""BERTs of the past: Google's TF 1 checkpoints and the Model Garden's."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.interop.bert_tensors import NEXT_SENTENCE, POOLER, CheckpointTensor, check_sizes, fill, part_of
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.interop.hugging_face_config import read_config
from keras_mlm.interop.hugging_face_names import canonical_names
from keras_mlm.interop.tensorflow_names import (
    Layout,
    TensorName,
    from_google,
    from_model_garden,
    is_bookkeeping,
    is_model_garden,
)
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import read_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

CONFIG, VOCABULARY = "bert_config.json", "vocab.txt"


def load_google_bert(folder: str, *, lowercase: bool | None = None, strict: bool = True) -> BertPretrainer:
    """Return the BERT of a checkpoint of google-research/bert (TF 1) or of the TensorFlow Model Garden.

    The folder holds `bert_config.json`, `vocab.txt` and the checkpoint, heads included where they are. What an
    optimizer left there is skipped. A TF 1 model has the exact GELU, as in transformers; a Model Garden one the tanh
    approximation, as there.

    Args:
        folder: str, the folder, or the checkpoint in it without its ending, such as `"bert/model.ckpt-20000"`, where
            there are several.
        lowercase: bool, whether text is lower-cased; the files do not say. Defaults to `None`: unless more than 1 % of
            the vocabulary's tokens have capital letters.
        strict: bool, whether a head that is missing in part, unknown or of another shape is an error; otherwise it is
            left out, and a warning lists it. Defaults to `True`.

    Returns:
        A `BertPretrainer`, not compiled, with its tokenizer.

    Raises:
        InputError: a file is missing or damaged, or variables do not fit; each is listed with its shape.

    Example:
        ```python
        model = load_google_bert("uncased_L-12_H-768_A-12")
        model.fill_mask("Paris is the [MASK] of France.")
        ```

    References:
        - [google-research/bert](https://github.com/google-research/bert)
        - [Model Garden](https://github.com/tensorflow/models/tree/master/official/nlp)
    """
    place, prefix = _checkpoint(folder)
    tokenizer = _tokenizer(place, lowercase)
    data, source = place.read_json(CONFIG), f"{place}/{CONFIG}"
    names, tensors = _read(place, prefix, read_config(data, source).num_layers)
    parts = {part_of(name) for name in tensors}
    if is_model_garden(names) and data.get("hidden_act", "gelu") == "gelu":
        data = {**data, "hidden_act": "gelu_new"}
    config = read_config(data, source, next_sentence=bool(parts & {POOLER, NEXT_SENTENCE}))
    if tokenizer.vocabulary_size != config.vocabulary_size:
        raise InputError(
            f"{place}/{VOCABULARY} has {tokenizer.vocabulary_size} tokens, but vocab_size {config.vocabulary_size} in "
            f"{CONFIG}: it belongs to another model"
        )
    check_sizes(config, tensors, source)
    model = BertPretrainer(config, tokenizer=tokenizer)
    fill(model, tensors, f"{place}/{prefix}", strict=strict)
    return model


def load_google_bert_tokenizer(folder: str, *, lowercase: bool | None = None) -> WordPieceTokenizer:
    """Return only the tokenizer of such a folder, see `load_google_bert`."""
    return _tokenizer(_checkpoint(folder)[0], lowercase)


def _tokenizer(place: CheckpointFolder, lowercase: bool | None) -> WordPieceTokenizer:
    vocabulary = read_vocabulary(str(place.text_file(VOCABULARY)))
    if lowercase is None:
        # Not a single one: the lower-cased Chinese vocabulary has an <S> and a <T>.
        words = (token for token in vocabulary if not token.startswith("["))
        capitals = sum(any("A" <= character <= "Z" for character in word) for word in words)
        lowercase = capitals <= 0.01 * len(vocabulary)
    try:
        return WordPieceTokenizer(vocabulary, normalization="bert", lowercase=lowercase)
    except InputError as error:
        raise InputError(f"{place}/{VOCABULARY}: {error}") from error


def _checkpoint(folder: str) -> tuple[CheckpointFolder, str]:
    """The folder, and the checkpoint's file name without its ending. The file `checkpoint`, a path, is not read."""
    path = Path(folder)
    if path.with_name(path.name + ".index").is_file() and path.name:
        return CheckpointFolder(str(path.parent)), path.name
    place = CheckpointFolder(folder)
    found = [name.removesuffix(".index") for name in place.names() if name.endswith(".index")]
    if not found:
        raise InputError(f"{place} holds no TensorFlow checkpoint, which has a file that ends in .index")
    if len(found) > 1:
        listed = ", ".join(f"{place}/{name}" for name in found)
        raise InputError(f"{place} holds {len(found)} checkpoints, name one: {listed}")
    return place, found[0]


def _read(place: CheckpointFolder, prefix: str, num_layers: int) -> tuple[list[str], dict[str, CheckpointTensor]]:
    """The names of the checkpoint's variables, and its weights by Hugging Face's names."""
    index, source = place.file(f"{prefix}.index"), f"{place}/{prefix}"
    files = [place.file(name) for name in place.names() if name.startswith(f"{prefix}.data-")]
    if not files:
        raise InputError(f"{source}.index has no {prefix}.data-00000-of-00001 beside it")
    try:
        reader = tf.train.load_checkpoint(str(index).removesuffix(".index"))
        shapes, kinds = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise InputError(f"{source} is damaged or no checkpoint: {str(error).splitlines()[0]}") from error
    weights = {name: tuple(shape) for name, shape in shapes.items() if not is_bookkeeping(name)}
    declared = sum(kinds[name].size * int(np.prod(shape, dtype="int64")) for name, shape in weights.items())
    size = sum(file.stat().st_size for file in files)
    if declared > size:
        raise InputError(f"{source} declares {declared} bytes of weights but has {size}: it is truncated")
    garden = is_model_garden(list(shapes))
    found: list[tuple[str, CheckpointTensor]] = []
    for name in sorted(weights):
        if not kinds[name].is_floating:
            raise InputError(f"{source} holds {name} as {kinds[name].name}, where only floats belong")
        target = from_model_garden(name, num_layers) if garden else from_google(name)
        found.append((target.name, _tensor(reader, name, weights[name], target, source)))
    own_pooler = [(name, tensor) for name, tensor in found if name.startswith("encoder.pooler.")]
    found = [entry for entry in found if entry not in own_pooler]
    if not any(name.startswith("bert.pooler.") for name, _ in found):
        found += [(name.replace("encoder.pooler.", "bert.pooler.dense."), tensor) for name, tensor in own_pooler]
    return list(shapes), canonical_names(found, source)


def _tensor(reader: Any, name: str, shape: tuple[int, ...], target: TensorName, source: str) -> CheckpointTensor:
    def read() -> np.ndarray:
        try:
            return _laid_out(np.asarray(reader.get_tensor(name), "float32"), target.layout)
        except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
            raise InputError(f"{source} is damaged at {name}: {str(error).splitlines()[0]}") from error

    return CheckpointTensor(_laid_out(np.broadcast_to(np.float32(0), shape), target.layout).shape, read)


def _laid_out(values: np.ndarray, layout: Layout) -> np.ndarray:
    if layout == "flat":  # a bias of heads, (heads, width)
        return values.reshape(-1)
    if layout == "heads_in" and values.ndim == 3:  # (hidden, heads, width)
        return values.reshape(values.shape[0], -1).T
    if layout == "heads_out" and values.ndim == 3:  # (heads, width, hidden)
        return values.reshape(-1, values.shape[-1]).T
    return values if layout == "same" else values.T
