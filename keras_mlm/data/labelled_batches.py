"""Encoded rows and their labels as batches of `fit`: shuffled anew each epoch, rows of about one length together."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.data.untuned import untuned
from keras_mlm.errors import InputError

# Batches whose rows are sorted by length among themselves; their order stays random.
_POOL = 50
# Widths of batches are multiples of this, so that little is padding; of fewer shapes, multiples of that.
_WIDTH_STEP, _WIDE_STEP = 8, 16


def labelled_batches(
    rows: Sequence[dict[str, np.ndarray]],
    labels: Any,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    pad_token_id: int = 0,
    weights: Any = None,
    few_shapes: bool = False,
) -> tf.data.Dataset:
    """Return batches of (inputs, labels) for the `fit` and `evaluate` of a fine-tuned model.

    Args:
        rows: sequence of dicts with `token_ids` and `segment_ids`, int32 `(tokens,)`, as a model's `encode` gives them;
            where rows have a `text_index`, several may be of one text, and each then weighs 1 / rows of its text.
        labels: class numbers, int `(texts,)`; or float `(texts, classes)`, 1 for each class that a text has; or a
            sequence of int arrays `(tokens,)`, a number a token, -1 for none.
        batch_size: int, rows a batch; the last batch may be smaller. Defaults to `32`.
        shuffle: bool, whether each epoch has another order. Defaults to `True`.
        seed: int, of the order. Defaults to `0`.
        pad_token_id: int, id of `[PAD]`. Defaults to `0`.
        weights: float `(texts,)`, what each text counts in the loss; not for labels of tokens. Defaults to `None`, 1.
        few_shapes: bool, whether batches have few widths, and the last one as many rows as the others, filled up with
            such as are ignored: for a step that is compiled for every shape. Defaults to `False`.

    Returns:
        `tf.data.Dataset` of `({"token_ids", "segment_ids", "padding_mask"}, labels)`, and of weights `(rows,)` where
        not all are 1; it knows its length. Labels of tokens are filled up with -1, which is ignored.

    Raises:
        InputError: no rows, or another number of labels or weights than of texts.

    Example:
        ```python
        model.fit(labelled_batches(model.encode(texts), model.class_numbers(labels), batch_size=16))
        ```
    """
    texts = np.array([row.get("text_index", index) for index, row in enumerate(rows)], int)
    if not len(rows) or texts.max() + 1 != len(labels):
        raise InputError(f"{len(set(texts.tolist()))} texts and {len(labels)} labels make no batches")
    several = isinstance(labels, np.ndarray) and labels.dtype.kind == "f"
    by_token = np.ndim(labels[0]) == 1 and not several
    row_weights = 1.0 / np.bincount(texts)[texts]
    if weights is not None:
        if by_token or len(weights) != len(labels):
            raise InputError(f"{len(weights)} weights do not fit {len(labels)} labels, one a text")
        row_weights = row_weights * np.asarray(weights)[texts]
    weighted = bool((row_weights != 1.0).any())
    lengths = np.array([len(row["token_ids"]) for row in rows])
    epochs = iter(range(1 << 62))

    def dense(values: list[np.ndarray], width: int, default: int) -> np.ndarray:
        filled = np.full((len(values), width), default, "int32")
        for target, value in zip(filled, values, strict=True):
            target[: len(value)] = value
        return filled

    def batches() -> Iterator[Any]:
        for indices in _order(lengths, batch_size, [seed, next(epochs)] if shuffle else None):
            step, given = _WIDE_STEP if few_shapes else _WIDTH_STEP, len(indices)
            width = -(-int(lengths[indices].max()) // step) * step
            if few_shapes:
                indices = np.resize(indices, batch_size)
            inputs = {
                "token_ids": dense([rows[i]["token_ids"] for i in indices], width, pad_token_id),
                "segment_ids": dense([rows[i]["segment_ids"] for i in indices], width, 0),
                "padding_mask": np.arange(width)[None, :] < lengths[indices][:, None],
            }
            chosen = [labels[text] for text in texts[indices]]
            if by_token:
                found = dense(chosen, width, -1)
            else:
                found = np.array(chosen, "float32" if several else "int32")
            found[given:] = -1
            yield (inputs, found, row_weights[indices].astype("float32")) if weighted else (inputs, found)

    whole = tf.TensorSpec((None, None), tf.int32)
    kind = whole if by_token else tf.TensorSpec((None,), tf.int32)
    if several:
        kind = tf.TensorSpec((None, len(labels[0])), tf.float32)
    signature: Any = (
        {"token_ids": whole, "segment_ids": whole, "padding_mask": tf.TensorSpec((None, None), tf.bool)},
        kind,
    )
    if weighted:
        signature = (*signature, tf.TensorSpec((None,), tf.float32))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return untuned(dataset.apply(tf.data.experimental.assert_cardinality(-(-len(rows) // batch_size))).prefetch(2))


def _order(lengths: np.ndarray, batch_size: int, key: list[int] | None) -> list[np.ndarray]:
    """Return the rows of each batch of one epoch; with a key in an order of its own."""
    order = np.arange(len(lengths))
    if key is None:
        return np.split(order, range(batch_size, len(order), batch_size))
    draw = np.random.default_rng(key)
    draw.shuffle(order)
    pools = np.split(order, range(_POOL * batch_size, len(order), _POOL * batch_size))
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    found = np.split(order, range(batch_size, len(order), batch_size))
    return [found[number] for number in draw.permutation(len(found))]
