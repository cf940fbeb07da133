"""Encoded rows and their labels as batches of `fit`: shuffled anew each epoch, rows of about one length together."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError

# Batches whose rows are sorted by length among themselves; their order stays random.
_POOL = 50
# Widths of batches are multiples of this, so that few shapes are traced.
_WIDTH_STEP = 8


def labelled_batches(
    rows: Sequence[dict[str, np.ndarray]],
    labels: Any,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    pad_token_id: int = 0,
) -> tf.data.Dataset:
    """Return batches of (inputs, labels) for the `fit` and `evaluate` of a fine-tuned model.

    Args:
        rows: sequence of dicts with `token_ids` and `segment_ids`, int32 `(tokens,)`, as a model's `encode` gives them.
        labels: class numbers, int `(rows,)`; or a sequence of int arrays `(tokens,)`, a number a token, -1 for none.
        batch_size: int, rows a batch; the last batch may be smaller. Defaults to `32`.
        shuffle: bool, whether each epoch has another order. Defaults to `True`.
        seed: int, of the order. Defaults to `0`.
        pad_token_id: int, id of `[PAD]`. Defaults to `0`.

    Returns:
        `tf.data.Dataset` of `({"token_ids", "segment_ids", "padding_mask"}, labels)`, which knows its length. Labels
        of tokens are filled up with -1, which is ignored.

    Raises:
        InputError: no rows, or another number of labels.

    Example:
        ```python
        model.fit(labelled_batches(model.encode(texts), model.class_numbers(labels), batch_size=16))
        ```
    """
    if not len(rows) or len(rows) != len(labels):
        raise InputError(f"{len(rows)} rows and {len(labels)} labels make no batches")
    by_token = np.ndim(labels[0]) == 1
    lengths = np.array([len(row["token_ids"]) for row in rows])
    epochs = iter(range(1 << 62))

    def dense(values: list[np.ndarray], width: int, default: int) -> np.ndarray:
        filled = np.full((len(values), width), default, "int32")
        for target, value in zip(filled, values, strict=True):
            target[: len(value)] = value
        return filled

    def batches() -> Iterator[Any]:
        for indices in _order(lengths, batch_size, [seed, next(epochs)] if shuffle else None):
            width = -(-int(lengths[indices].max()) // _WIDTH_STEP) * _WIDTH_STEP
            inputs = {
                "token_ids": dense([rows[i]["token_ids"] for i in indices], width, pad_token_id),
                "segment_ids": dense([rows[i]["segment_ids"] for i in indices], width, 0),
                "padding_mask": np.arange(width)[None, :] < lengths[indices][:, None],
            }
            chosen = [labels[i] for i in indices]
            yield inputs, dense(chosen, width, -1) if by_token else np.array(chosen, "int32")

    whole = tf.TensorSpec((None, None), tf.int32)
    signature = (
        {"token_ids": whole, "segment_ids": whole, "padding_mask": tf.TensorSpec((None, None), tf.bool)},
        whole if by_token else tf.TensorSpec((None,), tf.int32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(-(-len(rows) // batch_size))).prefetch(2)


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
