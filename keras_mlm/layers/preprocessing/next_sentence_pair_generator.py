"""Splits rows into sentence pairs and replaces half of the second parts, by a row's key."""

from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing import random_bits
from keras_mlm.layers.preprocessing.preprocessing_layer import PreprocessingLayer, as_ragged
from keras_mlm.layers.preprocessing.sentence_pool import SentencePool, sentence_pool

# Sentences tried for a negative: some among those with enough text after them, some among all other documents.
TRIES = 8
# Two second parts that begin with this many equal tokens count as the same text.
SAME_BEGINNING = 8


class SentencePairs(NamedTuple):
    """The pairs of a batch as spans of a pool's tokens.

    Args:
        first: starts and lengths of the segments A, int32 `(batch,)` each.
        second: starts and lengths of the segments B, int32 `(batch,)` each.
        labels: int32 `(batch,)`, 0 = B follows A, 1 = B is from another document.
        weights: float32 `(batch,)`, 0 where the row has one sentence only and so cannot be a positive.
        without_negative: bool `(batch,)`, true where the row drew a negative but no other document was there.
    """

    first: tuple[tf.Tensor, tf.Tensor]
    second: tuple[tf.Tensor, tf.Tensor]
    labels: tf.Tensor
    weights: tf.Tensor
    without_negative: tf.Tensor


@keras.saving.register_keras_serializable(package="keras_mlm")
class NextSentencePairGenerator(PreprocessingLayer):
    """Makes sentence pairs for next-sentence prediction; the same key and pool always give the same pairs.

    Each row is split at a random sentence start into A and B. With probability `negative_rate` B is replaced by text
    of another document that starts at a sentence start and, where the pool has one long enough, is as long as the B it
    replaces, so that the length does not betray the label; where B ended with a sentence, so does its replacement. A
    row of one sentence becomes A whole and gets a B that fills the row from another document, with weight 0: it never
    biases the share. Without another document in the pool the pair is positive and `without_negative` says so.

    With `negatives="swapped"` the two parts change places instead, as ALBERT learns it: both are of one document, so
    its subject does not tell. A row of one sentence then has an empty B, and weight 0.

    The draws are a hash of (`seed`, `epoch`, `example_index`); without `example_index` the row's place in the batch
    stands in for it.

    Args:
        max_tokens: int, the most tokens of A and B together; longer rows are the caller's to cut.
        negative_rate: float in [0, 1]. Defaults to `0.5`.
        negatives: `"other_document"` or `"swapped"`, what a negative is. Defaults to `"other_document"`.
        seed: int. Defaults to `0`.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: dict of `token_ids` and `sentence_starts` `(batch, tokens)`, list, tensor or ragged tensor,
            `document_id` `(batch,)`, and optionally `word_starts` (as `token_ids`), `example_index` `(batch,)` and
            `epoch` `()` or `(batch,)`.
        pool: the same features (no keys) of the records that negatives come from; give it, and results do not depend
            on the batch. Defaults to the rows themselves.

    Returns:
        Dict of `segments`, a tuple of two ragged int32 tensors for `SegmentPacker`; `word_starts`, the same in bool,
        where given; `next_sentence_labels` int32 (0 = B follows A), `next_sentence_weights` float32 and
        `without_negative` bool, `(batch,)` each; and the given keys.

    Raises:
        InputError: arguments out of range or a feature missing.

    Example:
        ```python
        pairs = NextSentencePairGenerator(max_tokens=125)({
            "token_ids": [[11, 12, 13, 14], [21, 22, 23, 24]],
            "sentence_starts": [[True, False, True, False], [True, False, True, False]],
            "document_id": [0, 1],
        })
        SegmentPacker(128, start_value=2, end_value=3)(pairs["segments"])
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), section 3.1; [ALBERT](https://arxiv.org/abs/1909.11942), section 3.1
    """

    def __init__(
        self,
        max_tokens: int,
        negative_rate: float = 0.5,
        seed: int = 0,
        negatives: Literal["other_document", "swapped"] = "other_document",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_tokens < 2:
            raise InputError(f"max_tokens must be at least 2, not {max_tokens}")
        if not 0 <= negative_rate <= 1:
            raise InputError(f"negative_rate must be in [0, 1], not {negative_rate!r}")
        if negatives not in ("other_document", "swapped"):
            raise InputError(f"negatives must be 'other_document' or 'swapped', not {negatives!r}")
        self.max_tokens = max_tokens
        self.negatives = negatives
        self.negative_rate = negative_rate
        self.seed = seed

    def call(self, inputs: dict[str, Any], pool: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pair a batch; see the class."""
        missing = [name for name in ("token_ids", "sentence_starts", "document_id") if name not in inputs]
        if missing:
            raise InputError(f"sentence pairs need {', '.join(missing)} beside the other features")
        batches = [inputs] if pool is None else [inputs, pool]
        ids = [as_ragged(batch["token_ids"], tf.int32)[0] for batch in batches]
        starts = tf.concat([as_ragged(batch["sentence_starts"], tf.bool)[0].values for batch in batches], 0)
        documents = tf.concat([tf.cast(batch["document_id"], tf.int64) for batch in batches], 0)
        ends = tf.cast(tf.cumsum(tf.concat([part.row_lengths() for part in ids], 0)), tf.int32)
        rows = tf.cast(ids[0].nrows(), tf.int32)
        sentences = sentence_pool(
            tf.concat([part.values for part in ids], 0), starts, ends, documents, 0 if pool is None else rows
        )
        lengths = tf.cast(ids[0].row_lengths(), tf.int32)
        index = inputs.get("example_index", tf.range(rows))
        pairs = self.pair_spans(
            sentences, ends[:rows] - lengths, lengths, documents[:rows], inputs.get("epoch", 0), index
        )

        def cut(values: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
            return _ragged_spans(values, *pairs.first), _ragged_spans(values, *pairs.second)

        outputs: dict[str, Any] = {"segments": cut(sentences.tokens)}
        if "word_starts" in inputs:
            outputs["word_starts"] = cut(
                tf.concat([as_ragged(batch["word_starts"], tf.bool)[0].values for batch in batches], 0)
            )
        outputs["next_sentence_labels"] = pairs.labels
        outputs["next_sentence_weights"] = pairs.weights
        outputs["without_negative"] = pairs.without_negative
        return {**outputs, **{name: inputs[name] for name in ("example_index", "epoch") if name in inputs}}

    def pair_spans(
        self, pool: SentencePool, starts: tf.Tensor, lengths: tf.Tensor, documents: tf.Tensor, epoch: Any,
        example_index: tf.Tensor,
    ) -> SentencePairs:  # fmt: skip
        """Pair rows that are spans of the pool's tokens.

        Args:
            pool: `SentencePool`.
            starts: int32 `(batch,)`, where the rows begin in `pool.tokens`.
            lengths: int32 `(batch,)`, their tokens.
            documents: int64 `(batch,)`, their documents.
            epoch: int or integer tensor.
            example_index: integer tensor `(batch,)`.

        Returns:
            `SentencePairs`.
        """
        keys = random_bits.row_keys(random_bits.SENTENCE_PAIR, self.seed, epoch, example_index)
        keys = tf.broadcast_to(keys, tf.shape(starts))
        bits = random_bits.random_bits(keys[:, None], tf.range(2 + 2 * TRIES))
        ends = starts + lengths
        low, high = _boundaries_inside(pool, starts, lengths)
        single = high <= low
        split = tf.gather(pool.boundaries, low + random_bits.below(bits[:, 0], tf.maximum(high - low, 1)))
        split = tf.where(single, ends, split)
        drawn = random_bits.uniform(bits[:, 1]) < self.negative_rate
        weights = tf.cast(~single, tf.float32)
        if self.negatives == "swapped":
            front, back = (starts, split - starts), (split, ends - split)
            swapped = drawn & ~single
            first, second = (
                tuple(tf.where(swapped, other, own) for own, other in zip(*parts, strict=True))
                for parts in ((front, back), (back, front))
            )
            return SentencePairs(first, second, tf.cast(swapped, tf.int32), weights, tf.zeros_like(single))
        wanted = tf.where(single, tf.maximum(self.max_tokens - lengths, 0), ends - split)
        ends_sentence = tf.gather(pool.boundaries, high) == ends

        start, length, found = _negative(pool, split, wanted, ends_sentence & ~single, single, documents, bits[:, 2:])
        drawn |= single
        negative = drawn & found
        labels = tf.cast(negative | single, tf.int32)
        second = (tf.where(negative, start, split), tf.where(negative, length, ends - split))
        return SentencePairs((starts, split - starts), second, labels, weights, drawn & ~found & ~single)

    def most_tokens(self, pool: SentencePool, starts: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Return the most tokens, int32, that rows come to have: text is added to those of one sentence only.

        Args:
            pool: `SentencePool`, as of `pair_spans`.
            starts: int32 `(batch,)`, likewise.
            lengths: int32 `(batch,)`, likewise.
        """
        if self.negatives == "swapped":
            return lengths
        low, high = _boundaries_inside(pool, starts, lengths)
        return tf.where(high <= low, tf.maximum(self.max_tokens, lengths), lengths)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("max_tokens", "negative_rate", "seed", "negatives")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _boundaries_inside(pool: SentencePool, starts: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first of the boundaries that are sentence starts inside each row, and the one after the last."""
    return tf.searchsorted(pool.boundaries, starts + 1), tf.searchsorted(pool.boundaries, starts + lengths)


def _negative(
    pool: SentencePool, split: tf.Tensor, wanted: tf.Tensor, whole_sentences: tf.Tensor, single: tf.Tensor,
    documents: tf.Tensor, bits: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:  # fmt: skip
    """Return starts, lengths and presence of text from other documents, as long as wanted where there is such."""
    sentences = tf.size(pool.starts)
    # The first tries are drawn from the sentences with enough text after them, whatever their document.
    long_enough = tf.searchsorted(-pool.rests, -wanted, side="right")
    tries = random_bits.below(bits[:, :TRIES], tf.maximum(long_enough, 1)[:, None])
    # The others miss the row's document for certain: its sentences are skipped in the order by document.
    begin = tf.searchsorted(pool.ordered_documents, documents)[:, None]
    own = tf.searchsorted(pool.ordered_documents, documents, side="right")[:, None] - begin
    others = random_bits.below(bits[:, TRIES:], tf.maximum(sentences - own, 1))
    others = tf.minimum(others + tf.where(others >= begin, own, 0), sentences - 1)
    tries = tf.concat([tries, tf.gather(pool.by_document, others)], axis=1)

    starts = tf.gather(pool.starts, tries)
    rests = tf.gather(pool.rests, tries)
    lengths = tf.minimum(rests, wanted[:, None])
    # A second part that ended with a sentence is replaced by one that does.
    after = tf.searchsorted(pool.boundaries, tf.reshape(starts + lengths, [-1]), side="right")
    last = tf.reshape(tf.gather(pool.boundaries, after - 1), tf.shape(starts))
    whole = last > starts
    lengths = tf.where(whole_sentences[:, None] & whole, last - starts, lengths)

    beginning = tf.range(SAME_BEGINNING)
    end = tf.size(pool.tokens) - 1
    next_tokens = tf.gather(pool.tokens, tf.minimum(split[:, None] + beginning, end))[:, None]
    same = tf.gather(pool.tokens, tf.minimum(starts[:, :, None] + beginning, end)) == next_tokens
    same = (same & (beginning < rests[:, :, None])) | (beginning >= wanted[:, None, None])
    usable = tf.gather(pool.documents, tries) != documents[:, None]
    usable &= single[:, None] | ~tf.reduce_all(same, axis=2)
    # The longest of the usable tries, the earliest of equals; before these, where asked for, those of whole sentences.
    score = lengths + tf.where(whole_sentences[:, None] & whole, tf.size(pool.tokens), 0)
    score = tf.where(usable, score * (2 * TRIES) + tf.range(2 * TRIES, 0, -1) - 1, -1)
    best = tf.argmax(score, axis=1, output_type=tf.int32)
    return (
        tf.gather(starts, best, batch_dims=1),
        tf.gather(lengths, best, batch_dims=1),
        tf.reduce_max(score, axis=1) >= 0,
    )


def _ragged_spans(values: tf.Tensor, starts: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    places = tf.ragged.range(starts, starts + lengths)
    return places.with_flat_values(tf.gather(values, places.flat_values))
