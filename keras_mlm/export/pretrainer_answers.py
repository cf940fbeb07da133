"""The masks of rows of ids and what fills them, in operations that every target has."""

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer


def find_masks(
    token_ids: tf.Tensor, padding_mask: tf.Tensor, mask_token_id: int, slots: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the positions of each row's first `slots` masks in order, 0 in unused slots, and which slots are used.

    Args:
        token_ids: int32 `(batch, length)`.
        padding_mask: bool `(batch, length)`.
        mask_token_id: int, the id of `[MASK]`.
        slots: int, the number of slots.

    Returns:
        int32 and bool `(batch, slots)`.
    """
    is_mask = tf.logical_and(tf.equal(token_ids, mask_token_id), padding_mask)
    # The highest keys are the masks, the leftmost first; a key says where it stands, and all differ. In float32, as
    # TFLite and ONNX have no top-k of integers everywhere; it is exact to 16 million.
    place = tf.cast(tf.range(tf.shape(token_ids)[1]), tf.float32)[tf.newaxis, :]
    keys = tf.where(is_mask, -place, tf.fill(tf.shape(token_ids), tf.constant(-1e9)))
    keys = tf.pad(keys, [[0, 0], [0, slots]], constant_values=-1e9)
    highest, _ = tf.math.top_k(keys, slots)
    used = highest > -1e8
    positions = tf.cast(tf.where(used, -highest, tf.zeros_like(highest)), tf.int32)
    return positions, used


def fill_masks(
    model: "BertPretrainer", rows: dict[str, tf.Tensor], top_k: int, slots: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the most probable tokens of each mask, with scores and positions.

    Args:
        model: BertPretrainer.
        rows: dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool `(batch, length)`.
        top_k: int, candidates a mask.
        slots: int, masks a row.

    Returns:
        Ids int32 `(batch, slots, top_k)`, scores float32 `(batch, slots, top_k)`, 0 in unused slots, and positions
        int32 `(batch, slots)`, -1 in unused slots.
    """
    positions, used = find_masks(rows["token_ids"], rows["padding_mask"], model.tokenizer.mask_token_id, slots)
    # Serving batches requests by shapes, so the graph states the fixed widths.
    positions, used = tf.ensure_shape(positions, [None, slots]), tf.ensure_shape(used, [None, slots])
    logits = model({**rows, "mask_positions": positions}, training=False)["masked_lm"]
    scores, ids = tf.math.top_k(tf.nn.softmax(logits), top_k)
    every = tf.cast(used, tf.float32)[:, :, tf.newaxis]
    return ids, scores * every, tf.where(used, positions, -tf.ones_like(positions))
