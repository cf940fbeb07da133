"""Export for serving: a SavedModel that takes raw strings and needs nothing of this package."""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.model_folder import plain_twin

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

logger = logging.getLogger(__name__)


def export_fill_mask(
    model: "BertPretrainer",
    folder: str,
    *,
    length: int = 128,
    top_k: int = 5,
    mask_slots: int = 8,
    version: int | None = None,
) -> str:
    """Write a SavedModel that fills masks in raw strings, as a numbered folder that TF Serving serves.

    The signature `fill_mask`, also `serving_default`, takes `text`, string `(batch,)`: UTF-8 (bytes that are none count
    as unknown characters) with any number of `[MASK]`. It returns, with every width fixed:

    * `tokens` string `(batch, mask_slots, top_k)`: candidates of each mask, the most probable first; "" in unused slots
    * `scores` float32 `(batch, mask_slots, top_k)`: their probabilities; 0 in unused slots
    * `positions` int32 `(batch, mask_slots)`: the mask's place among the tokens, `[CLS]` being 0; -1 in unused slots
    * `token_count` int32 `(batch,)`: tokens of the text, before it was cut
    * `truncated` bool `(batch,)`: whether the text was cut to `length` tokens, or has more masks than slots
    * `unknown_count` int32 `(batch,)`: tokens of the text that are `[UNK]`

    It loads with `import tensorflow_text` before `tf.saved_model.load`, with the TF 1 loader and TF Serving's.

    Args:
        model: BertPretrainer with a tokenizer.
        folder: str, the model folder; the export is a numbered folder in it.
        length: int, the longest row in tokens, `[CLS]` and `[SEP]` included. Defaults to `128`.
        top_k: int, candidates a mask. Defaults to `5`.
        mask_slots: int, masks a text that are filled. Defaults to `8`.
        version: int, the number; by default the one after the highest that exists.

    Returns:
        The path of the numbered folder, a str.

    Raises:
        InputError: the number exists already, or a size that the model does not have.
        RunError: the folder could not be written.

    Example:
        ```python
        path = export_fill_mask(load_model("saved_models/news"), "saved_models/news")
        served = tf.saved_model.load(path).signatures["fill_mask"]
        served(text=tf.constant(["Paris is the [MASK] of France ."]))["tokens"]
        ```
    """
    if model.tokenizer is None:
        raise InputError("a model without tokenizer cannot be exported: load it with load_model")
    if not 3 <= length <= model.config.max_sequence_length:
        raise InputError(f"length must be between 3 and the model's {model.config.max_sequence_length}, not {length}")
    if not 1 <= top_k <= model.config.vocabulary_size:
        raise InputError(f"top_k must be between 1 and {model.config.vocabulary_size}, not {top_k}")
    if mask_slots < 1:
        raise InputError(f"mask_slots must be at least 1, not {mask_slots}")
    path = _numbered(folder, version)
    function = _FillMask(plain_twin(model), length, top_k, mask_slots)
    # Nothing is tracked: the archive then finds the variables through the function and writes each once, under names
    # that TF Serving's loader finds again.
    archive = keras.export.ExportArchive()
    archive.add_endpoint("fill_mask", function, input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    with _aside(path) as aside:
        archive.write_out(aside, verbose=False)
    return path


class _FillMask:
    """The exported function."""

    def __init__(self, model: "BertPretrainer", length: int, top_k: int, mask_slots: int) -> None:
        self.model = model
        self.length = length
        self.top_k = top_k
        self.mask_slots = mask_slots

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        tokenizer = self.model.tokenizer
        tokens = tokenizer.tokenize(text, mask_tokens=True)
        token_count = tf.cast(tokens.row_lengths(), tf.int32)
        row = tokens[:, : self.length - 2]
        batch = tf.shape(text)[0]
        ends = [
            tf.fill([batch, 1], tf.constant(i, row.dtype)) for i in (tokenizer.cls_token_id, tokenizer.sep_token_id)
        ]
        row = tf.concat([ends[0], row, ends[1]], axis=1)
        token_ids = row.to_tensor(tokenizer.pad_token_id)
        padding_mask = tf.sequence_mask(row.row_lengths(), tf.shape(token_ids)[1])

        # A stable sort by "is no mask" brings the places of the masks to the front, in order.
        is_mask = tf.logical_and(token_ids == tokenizer.mask_token_id, padding_mask)
        is_mask = tf.pad(is_mask, [[0, 0], [0, self.mask_slots]])
        places = tf.argsort(tf.cast(tf.logical_not(is_mask), tf.int32), stable=True)[:, : self.mask_slots]
        # Serving batches requests by shapes, so the graph states the fixed widths.
        places = tf.ensure_shape(places, [None, self.mask_slots])
        used = tf.gather(is_mask, places, batch_dims=1)
        outputs = self.model(
            {
                "token_ids": token_ids,
                "segment_ids": tf.zeros_like(token_ids),
                "padding_mask": padding_mask,
                "mask_positions": tf.where(used, places, 0),
            },
            training=False,
        )
        scores, ids = tf.math.top_k(tf.nn.softmax(outputs["masked_lm"]), self.top_k)
        every = used[:, :, tf.newaxis]
        masks = tf.reduce_sum(tf.cast(tokens == tokenizer.mask_token_id, tf.int32), axis=1)
        return {
            "tokens": tf.where(every, tf.gather(tf.constant(tokenizer.vocabulary), ids), ""),
            "scores": tf.where(every, scores, 0.0),
            "positions": tf.where(used, places, -1),
            "token_count": token_count,
            "truncated": tf.logical_or(token_count > self.length - 2, masks > self.mask_slots),
            "unknown_count": tf.reduce_sum(tf.cast(tokens == tokenizer.unk_token_id, tf.int32), axis=1),
        }


def _numbered(folder: str, version: int | None) -> str:
    names = tf.io.gfile.listdir(folder) if tf.io.gfile.exists(folder) else []
    numbers = [int(name.rstrip("/")) for name in names if name.rstrip("/").isdecimal()]
    if version is None:
        version = max(numbers, default=0) + 1
    if version < 1:
        raise InputError(f"version must be at least 1, not {version}")
    path = tf.io.gfile.join(folder, str(version))
    if version in numbers:
        raise InputError(f"{path} exists: remove it, or give another --version than {version}")
    return path


@contextlib.contextmanager
def _aside(path: str) -> Iterator[str]:
    """Give a folder to write into that becomes `path` only when everything is written."""
    # TF Serving looks at every folder with a number for a name, as soon as it is there.
    aside = f"{path}.writing-{os.getpid()}"
    try:
        tf.io.gfile.makedirs(aside)
        yield aside
        tf.io.gfile.rename(aside, path)
    except (OSError, tf.errors.OpError) as error:
        raise RunError(f"{path} could not be written, nothing of it is left: {error}") from error
    finally:
        if tf.io.gfile.exists(aside):
            tf.io.gfile.rmtree(aside)
