"""Selects the tokens to predict and replaces them, by a row's key."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing import random_bits
from keras_mlm.layers.preprocessing.mask_selection import find_words, select_tokens, select_words, sum_by
from keras_mlm.layers.preprocessing.preprocessing_layer import (
    PreprocessingLayer,
    as_dense,
    as_tensor,
    batch_and_width,
)
from keras_mlm.layers.preprocessing.token_replacements import TokenReplacements
from keras_mlm.layers.preprocessing.weighted_bits import weighted_bits
from keras_mlm.layers.preprocessing.word_spans import word_spans

# The bits of a score that tell positions apart: enough for rows of 8,190 tokens, and 19 bits are left to chance.
_LOW = np.uint32(2**13 - 1)
_WIDEST = int(_LOW) - 1
# Where a row's draws of span lengths begin, behind those of its positions.
LENGTH_COUNTERS = int(_LOW) + 1


@keras.saving.register_keras_serializable(package="keras_mlm")
class MaskedLMMaskGenerator(PreprocessingLayer):
    """Masks token ids for masked language modeling; the same key always gives the same masks.

    Of a row's candidates (all but `unselectable_token_ids`) exactly `max(1, round(rate * tokens))` are selected, never
    more than `mask_selection_length`; tokens count with the special ones, without padding. Each selected token
    becomes `mask_token_id`, a random ordinary token, or stays, drawn token by token. A drop-in for KerasHub's layer of
    this name, with dense label slots. Eager, row by row and in batches the result is the same.

    The draws are a hash of (`seed`, `epoch`, `example_index`, position). A bare call on ids takes a hash of the row's
    ids in place of `example_index`: reproducible, but the same row then gets the same masks every time. For new masks
    each epoch pass the key: `layer({"token_ids": ids, "example_index": index, "epoch": epoch})`.

    Args:
        vocabulary_size: int, number of tokens.
        mask_selection_rate: float in (0, 1], share of a row's tokens to select.
        mask_token_id: int, id of `[MASK]`.
        mask_selection_length: int, label slots a row and the most tokens selected. Defaults to the rate times the
            input's width, rounded up.
        unselectable_token_ids: sequence of int, ids never selected and never drawn as replacement. With 0 among them,
            id 0 counts as padding where no `padding_mask` is given. Defaults to `(0,)`.
        mask_token_rate: float, share of the selected tokens replaced by `mask_token_id`. Defaults to `0.8`.
        random_token_rate: float, share replaced by a random ordinary token. Defaults to `0.1`.
        seed: int. Defaults to `0`.
        strategy: `"token"`; `"whole_word"`: words are selected whole (the input needs `word_starts`), one that no
            longer fits is skipped, never cut, and shorter ones still fill; or `"span"`: runs of 1 to 10 whole words,
            their lengths geometric with p = 0.2, the last run cut to what fits. Defaults to `"token"`.
        replacement_weights: sequence of float, one for each id of the vocabulary: how often it is drawn as a random
            replacement, such as its count in the corpus; special tokens never are. Defaults to `None`, all alike.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: ids as list, tensor or ragged tensor, `(tokens,)` or `(batch, tokens)`; or a dict with `token_ids` and
            any of `example_index` and `epoch` (`()` or `(batch,)`), `word_starts` and `padding_mask` (as `token_ids`),
            `mask_selection_rate` (float, `()` or `(batch,)`, in place of the layer's), and `selection_weights` (float,
            as `token_ids`): how often to select a token in relation to the others of its row, whose share stays. 0 is
            never, 2 twice the chance at every draw; words and spans have the mean of their tokens.

    Returns:
        Dict of `token_ids` (shape and kind of the input), and `mask_positions` int32, `mask_ids` int32 and
        `mask_weights` float32, all `(..., mask_selection_length)`, sorted by position, unused slots 0.

    Raises:
        InputError: arguments out of range, or whole words or spans without `word_starts`.

    Example:
        ```python
        masker = MaskedLMMaskGenerator(1000, 0.15, mask_token_id=4, mask_selection_length=20,
                                       unselectable_token_ids=[0, 1, 2, 3])
        masker({"token_ids": [[2, 57, 91, 612, 3, 0]], "example_index": [0], "epoch": [0]})
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), appendix A.1; [SpanBERT](https://arxiv.org/abs/1907.10529)
        - [Weighted random sampling](https://doi.org/10.1016/j.ipl.2005.11.003)
    """

    def __init__(
        self,
        vocabulary_size: int,
        mask_selection_rate: float,
        mask_token_id: int,
        mask_selection_length: int | None = None,
        unselectable_token_ids: Sequence[int] = (0,),
        mask_token_rate: float = 0.8,
        random_token_rate: float = 0.1,
        seed: int = 0,
        strategy: Literal["token", "whole_word", "span"] = "token",
        replacement_weights: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= mask_token_id < vocabulary_size:
            raise InputError(f"mask_token_id must be in [0, {vocabulary_size}), not {mask_token_id}")
        if not 0 < mask_selection_rate <= 1:
            raise InputError(f"mask_selection_rate must be in (0, 1], not {mask_selection_rate!r}")
        if mask_selection_length is not None and mask_selection_length < 1:
            raise InputError(f"mask_selection_length must be at least 1, not {mask_selection_length}")
        if min(mask_token_rate, random_token_rate) < 0 or mask_token_rate + random_token_rate > 1:
            raise InputError("mask_token_rate and random_token_rate must be at least 0 and at most 1 together")
        if strategy not in ("token", "whole_word", "span"):
            raise InputError(f"strategy must be 'token', 'whole_word' or 'span', not {strategy!r}")
        self.vocabulary_size = vocabulary_size
        self.mask_selection_rate = mask_selection_rate
        self.mask_token_id = mask_token_id
        self.mask_selection_length = mask_selection_length
        self.unselectable_token_ids = [int(token_id) for token_id in unselectable_token_ids]
        self.mask_token_rate = mask_token_rate
        self.random_token_rate = random_token_rate
        self.seed = seed
        self.strategy = strategy
        special = np.unique(np.array(self.unselectable_token_ids, np.int32))
        self.replacement_weights = None if replacement_weights is None else [float(w) for w in replacement_weights]
        ordinary = np.setdiff1d(np.arange(vocabulary_size, dtype=np.int32), [*special, mask_token_id])
        self._replacements = TokenReplacements(
            ordinary, mask_token_id, mask_token_rate, random_token_rate, self.replacement_weights, vocabulary_size
        )
        # float64 rounds a half as Python does, so the counts are the reference implementation's.
        self._limits = np.maximum(np.rint(mask_selection_rate * np.arange(_WIDEST + 1)), 1).astype(np.int32)
        # Special tokens stand together in most vocabularies: a few comparisons of runs cost less than a look-up.
        runs = np.split(special, np.flatnonzero(np.diff(special) > 1) + 1)
        self._special_runs = [(int(run[0]), int(run[-1])) for run in runs if len(run)]

    def call(self, inputs: Any) -> dict[str, Any]:
        """Mask a row or a batch; see the class."""
        features = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
        given = as_tensor(features["token_ids"])
        token_ids, valid, single = as_dense(given, tf.int32)
        if features.get("padding_mask") is not None:
            valid = as_dense(features["padding_mask"], tf.bool)[0]
        elif 0 in self.unselectable_token_ids:
            valid = token_ids != 0
        _, width = batch_and_width(token_ids)
        if isinstance(width, int) and width > _WIDEST:
            raise InputError(f"rows of at most {_WIDEST} tokens can be masked, not of {width}: cut them first")
        slots = self._slots(token_ids)
        keys = self._keys(features, token_ids, valid)
        bits = random_bits.random_bits(keys, _positions(token_ids))
        selected = self._select(token_ids, valid, features, keys, bits, slots)
        # Places count through the whole batch: one number a token is found and looked up faster than two.
        flat_ids = tf.reshape(token_ids, [-1])
        places = tf.where(tf.reshape(selected, [-1]))
        index = tf.reshape(places, [-1])
        labels = tf.gather(flat_ids, index)
        new = self._replacements(labels, tf.gather(tf.reshape(bits, [-1]), index))
        masked = tf.tensor_scatter_nd_update(flat_ids, places, new)
        outputs = {"token_ids": tf.reshape(masked, tf.shape(token_ids)), **_in_slots(index, labels, token_ids, slots)}
        if isinstance(given, tf.RaggedTensor):
            outputs["token_ids"] = tf.RaggedTensor.from_tensor(outputs["token_ids"], given.row_lengths())
        return {name: output[0] for name, output in outputs.items()} if single else outputs

    def _slots(self, token_ids: tf.Tensor) -> Any:
        if self.mask_selection_length is not None:
            return self.mask_selection_length
        _, width = batch_and_width(token_ids)
        if isinstance(width, int):
            return max(1, math.ceil(self.mask_selection_rate * width))
        return tf.maximum(1, tf.cast(tf.math.ceil(self.mask_selection_rate * tf.cast(width, tf.float64)), tf.int32))

    def _keys(self, features: dict[str, Any], token_ids: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        index = features.get("example_index")
        if index is None:
            content = random_bits.random_bits(np.array([random_bits.ROW_CONTENT], np.uint32), token_ids)
            content = random_bits.random_bits(content, _positions(token_ids))
            index = tf.reduce_sum(tf.where(valid, tf.cast(content, tf.int64), 0), axis=1)
        epoch = features.get("epoch", 0)
        columns = (tf.reshape(number, [-1, 1]) if tf.is_tensor(number) else number for number in (epoch, index))
        return random_bits.row_keys(random_bits.MASKS, self.seed, *columns)

    def _select(
        self, token_ids: tf.Tensor, valid: tf.Tensor, features: dict[str, Any], keys: tf.Tensor, bits: tf.Tensor,
        slots: Any,
    ) -> tf.Tensor:  # fmt: skip
        limit = tf.minimum(self._limit(valid, features.get("mask_selection_rate")), slots)
        candidates = valid
        for first, last in self._special_runs:
            # Ids are never negative: a run from 0 needs one comparison.
            candidates &= (token_ids < first) | (token_ids > last) if first else token_ids > last
        weights, positions = None, tf.cast(_positions(token_ids), tf.uint32)
        if features.get("selection_weights") is not None:
            weights = as_dense(features["selection_weights"], tf.float32)[0]
            candidates &= weights > 0
            weights = tf.where(candidates, weights, 0)
        # The lowest bits of a score give way to the position, so that no two of a row are alike and none is 0.
        places = (positions + np.uint32(1)) & _LOW
        if self.strategy == "token":
            bits = bits if weights is None else weighted_bits(bits, weights)
            return select_tokens((bits & ~_LOW) | places, candidates, limit, slots)
        if features.get("word_starts") is None:
            raise InputError(f'strategy="{self.strategy}" needs word_starts beside token_ids')
        words = find_words(candidates, as_dense(features["word_starts"], tf.bool)[0])
        sizes, sums = words.sizes, None if weights is None else sum_by(words.numbers, weights)
        if self.strategy == "span":
            # The words of a span have its score, from left to right: they are selected one after the other.
            places = (_LOW - positions) & _LOW
            spans = word_spans(random_bits.random_bits(keys, _positions(token_ids) + LENGTH_COUNTERS), words.sizes)
            if sums is not None:
                batch, width = batch_and_width(spans)
                sizes, sums = (sum_by(spans + (tf.range(batch) * width)[:, None], part) for part in (sizes, sums))
        if sums is not None:
            bits = weighted_bits(bits, sums / tf.cast(tf.maximum(sizes, 1), tf.float32))
        if self.strategy == "span":
            bits = tf.gather(bits, spans, batch_dims=1)
        return select_words((bits & ~_LOW) | places, candidates, words, limit, slots)

    def _limit(self, valid: tf.Tensor, rate: Any) -> tf.Tensor:
        tokens = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1, keepdims=True)
        if rate is None:
            return tf.gather(self._limits, tokens)
        wanted = tf.math.rint(tf.reshape(tf.cast(rate, tf.float64), [-1, 1]) * tf.cast(tokens, tf.float64))
        return tf.maximum(tf.cast(wanted, tf.int32), 1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("vocabulary_size", "mask_selection_rate", "mask_token_id", "mask_selection_length",
                 "unselectable_token_ids", "mask_token_rate", "random_token_rate", "seed", "strategy",
                 "replacement_weights")  # fmt: skip
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _positions(token_ids: tf.Tensor) -> Any:
    _, width = batch_and_width(token_ids)
    return np.arange(width) if isinstance(width, int) else tf.range(width)


def _in_slots(index: tf.Tensor, labels: tf.Tensor, token_ids: tf.Tensor, slots: Any) -> dict[str, tf.Tensor]:
    """Return what is selected, places in the batch and ids `(selected,)`, as rows of slots; unused ones are 0."""
    batch, width = batch_and_width(token_ids)
    index = tf.cast(index, tf.int32)
    rows = index // width

    def in_slots(values: tf.Tensor, default: Any) -> tf.Tensor:
        return tf.raw_ops.RaggedTensorToTensor(
            shape=[-1, slots],
            values=values,
            default_value=tf.cast(default, values.dtype),
            row_partition_tensors=[tf.cast(batch, tf.int32), rows],
            row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
        )

    positions = in_slots(index - rows * width, width)
    used = positions < width
    return {
        "mask_positions": tf.where(used, positions, 0),
        "mask_ids": in_slots(labels, 0),
        "mask_weights": tf.cast(used, tf.float32),
    }
