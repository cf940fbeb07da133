"""From the records of a prepared corpus to masked batches, any step of which can be gone to at once."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
import tensorflow as tf

from keras_mlm.config import EVALUATION_RATE, PretrainingConfig
from keras_mlm.data.fit_batches import as_it_is, fit_batches, in_order, share_of_batch
from keras_mlm.data.length_buckets import LengthBuckets
from keras_mlm.data.manifest import VOCABULARY_FILE, Manifest
from keras_mlm.data.mask_rate import MaskRate
from keras_mlm.data.row_builder import RowBuilder
from keras_mlm.data.row_masking import RowMasking
from keras_mlm.data.row_packing import SPECIAL
from keras_mlm.data.row_reader import OrderedRows, RowReader
from keras_mlm.data.token_counts import token_counts
from keras_mlm.data.token_weights import TokenWeights
from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.next_sentence_pair_generator import NextSentencePairGenerator
from keras_mlm.layers.preprocessing.part_of_speech_weights import part_of_speech_weights
from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS, check_vocabulary, read_vocabulary

# Validation pairs and masks are the same for every run, whatever its seed, so that runs can be compared.
VALIDATION_SEED = 0
# Rows worked on at once: many enough that the cost of starting an operation does not count.
CHUNK_ROWS = 512
# A split up to this size is read once before training, so that a damaged shard is found before hours are spent.
CHECKED_BYTES = 1 << 30


class PretrainingDataset:
    """The masked batches of a prepared corpus, in an order and with draws that are a function of the seed alone.

    Every record is cut into rows; a row is paired, packed and masked when it is read, by its key (`seed`, `epoch`,
    `example_index`). Batch size, threads and restarts change nothing of a row. Training never ends: each epoch has its
    own order, pairs and masks, and batches run across epochs, so nothing is left out. Validation is one pass in the
    order of the manifest with frozen draws; empty rows without weight fill up its last batch.

    In length buckets, rows of similar length share a batch, which is only as wide as they need: the same rows with the
    same masks, in an order that depends on the batch size too.

    Packed, a row holds as many texts as fit, each with its own `[CLS]` and `[SEP]`, and next to no padding: greedy best
    fit within a shard, the same rows in every epoch.

    Args:
        folder: str, what `prepare_corpus` wrote.
        length: int, tokens a row, special tokens included. Defaults to `128`.
        batch_size: int, rows a batch. Defaults to `64`.
        masking: `"token"`, `"whole_word"` or `"span"`. Defaults to `"token"`.
        mask_selection_rate: float, share of a row's tokens to predict. Defaults to `0.15`.
        mask_selection_length: int, mask slots a row. Defaults to the rate times the length, rounded up.
        next_sentence: bool, whether rows are sentence pairs. Defaults to `True`.
        sentence_pairs: `"next"`, half of the second parts are another document's, or `"order"`, half of the pairs are
            swapped. Defaults to `"next"`.
        packed: bool, whether several texts share a row; not with sentence pairs. Defaults to `False`.
        length_buckets: int, how many lengths batches have, equal parts of `length`; training only, not packed. The
            rows of an epoch and their masks stay the same, in another order. Defaults to `1`, all as wide as `length`.
        final_mask_selection_rate: float, the rate from step `steps` on, to which it goes evenly from that of step 0;
            training only. The masks of a row then depend on its step as well. Defaults to `None`, one rate.
        steps: int, the steps that takes. Defaults to `None`.
        replacements: `"uniform"` or `"unigram"` (as often as they occur in the training half), how the random
            replacements of selected tokens are drawn. Defaults to `"uniform"`.
        content_word_weight: float, how many times as often nouns, verbs, adjectives, adverbs and numbers are selected
            as other words; the share of a row stays. The corpus needs parts of speech. Defaults to `1.0`, all alike.
        token_weights: `TokenWeights`, how often each token type is selected in relation to others, from step to step;
            training only. Defaults to `None`, all alike.
        seed: int, of order, pairs and masks; validation does not depend on it. Defaults to `0`.
        split: `"training"` or `"validation"`. Defaults to `"training"`.

    Attributes:
        rows: int, rows of an epoch.
        tokens: int, tokens of an epoch, without special ones.
        tokens_a_row: float, how many of a row's tokens are no padding, on average; special ones included.
        padded_length: float, how many a row has on average with its padding, about.
        manifest: `Manifest`.

    Raises:
        InputError: no prepared corpus there, a damaged or missing shard (named), a split that is empty or too small
            for sentence pairs, or arguments out of range.

    Example:
        ```python
        training = PretrainingDataset("data/news", length=128, batch_size=64)
        model.fit(training.batches(), steps_per_epoch=1000)
        ```
    """

    def __init__(
        self,
        folder: str,
        *,
        length: int = 128,
        batch_size: int = 64,
        masking: Literal["token", "whole_word", "span"] = "token",
        mask_selection_rate: float = 0.15,
        mask_selection_length: int | None = None,
        next_sentence: bool = True,
        sentence_pairs: Literal["next", "order"] = "next",
        packed: bool = False,
        length_buckets: int = 1,
        final_mask_selection_rate: float | None = None,
        steps: int | None = None,
        replacements: Literal["uniform", "unigram"] = "uniform",
        content_word_weight: float = 1.0,
        token_weights: TokenWeights | None = None,
        seed: int = 0,
        split: Literal["training", "validation"] = "training",
    ) -> None:
        config = PretrainingConfig(
            length=length, batch_size=batch_size, masking=masking, mask_selection_rate=mask_selection_rate,
            mask_selection_length=mask_selection_length, next_sentence=next_sentence, packed=packed,
            final_mask_selection_rate=final_mask_selection_rate, steps=1 if steps is None else steps,
            replacements=replacements, content_word_weight=content_word_weight, sentence_pairs=sentence_pairs,
            length_buckets=length_buckets,
        )  # fmt: skip
        rate = weights = None
        if final_mask_selection_rate is not None:
            if steps is None or split != "training":
                raise InputError("a rate of masks that changes needs steps, and the training split")
            rate = MaskRate(mask_selection_rate, final_mask_selection_rate, steps)
        if length_buckets > 1 and split != "training":
            raise InputError("held-out rows have one order in every run: length_buckets are for the training split")
        if token_weights is not None and split != "training":
            raise InputError("held-out rows are masked alike in every run: token_weights are for the training split")
        self.manifest = Manifest.load(folder)
        if split not in self.manifest.splits:
            raise InputError(f"{folder} has no split {split!r}, only {', '.join(self.manifest.splits)}")
        if content_word_weight != 1.0:
            if not self.manifest.pos_tags:
                raise InputError(
                    f"{folder} has no parts of speech to weight words by: prepare it with --annotator, rjieba or a "
                    "tagger's folder"
                )
            tags = ["", *self.manifest.pos_tags]
            weights = functools.partial(part_of_speech_weights, tags=tags, content=content_word_weight)
        self.folder = folder
        self.length = length
        self.batch_size = batch_size
        self.next_sentence = next_sentence
        self.sentence_pairs = sentence_pairs
        self.split = split
        self.tokens = self.manifest.splits[split].tokens
        self._check_content()
        self._training = split == "training"
        self._seed = seed if self._training else VALIDATION_SEED
        vocabulary = read_vocabulary(tf.io.gfile.join(folder, VOCABULARY_FILE))
        check_vocabulary(vocabulary, tf.io.gfile.join(folder, VOCABULARY_FILE))
        ids = {token: vocabulary.index(token) for token in SPECIAL_TOKENS}
        packer = SegmentPacker(length, ids["[CLS]"], ids["[SEP]"], ids["[PAD]"])
        width = length - 3 if next_sentence else length - SPECIAL
        negatives: Literal["other_document", "swapped"] = "swapped" if sentence_pairs == "order" else "other_document"
        pairs = NextSentencePairGenerator(width, seed=self._seed, negatives=negatives)
        self._builder = RowBuilder(packer, pairs, rate, weights)
        self._masking = RowMasking(
            vocabulary, rate=mask_selection_rate, slots=config.predictions, strategy=masking, seed=self._seed,
            replacement_weights=token_counts(folder, self.manifest) if replacements == "unigram" else None,
            token_weights=token_weights,
        )  # fmt: skip
        self._reader = RowReader(
            folder, self.manifest, split, width=width, seed=seed if self._training else None, packed=packed,
            special_ids=packer.special_ids, sentences=next_sentence, parts_of_speech=weights is not None,
            special_word_starts=packer.special_word_starts if masking != "token" else None,
        )  # fmt: skip
        self._plan = self._reader.plan
        self.rows = self._plan.epoch_rows
        self.tokens_a_row = self._plan.tokens_a_row + next_sentence
        self._buckets = LengthBuckets(config, seed) if length_buckets > 1 else None
        self.padded_length = float(length)
        if self._buckets is not None:
            self.padded_length = self._buckets.mean_length(self.manifest.splits[split], width)
        if sum(shard.bytes for shard in self.manifest.splits[split].shards) <= CHECKED_BYTES:
            self.check_shards()

    @classmethod
    def from_config(
        cls, folder: str, config: PretrainingConfig, split: Literal["training", "validation"] = "training", *,
        token_weights: TokenWeights | None = None,
    ) -> "PretrainingDataset":  # fmt: skip
        """Return the rows of a run; validation rows are those of all runs: not packed, with 15 % masks.

        Args:
            folder: str, a data folder.
            config: `PretrainingConfig`, of which rows and masks are taken.
            split: `"training"` or `"validation"`. Defaults to `"training"`.
            token_weights: `TokenWeights`, training only; what `config.adaptive_masking` needs beside an
                `AdaptiveMasking` that renews them. Defaults to `None`, all alike.

        Returns:
            A `PretrainingDataset`.

        Raises:
            InputError: as of the constructor.
        """
        if split == "validation":
            config = dataclasses.replace(
                config, mask_selection_rate=EVALUATION_RATE, mask_selection_length=None, packed=False,
                length_buckets=1, final_mask_selection_rate=None, replacements="uniform", content_word_weight=1.0,
            )  # fmt: skip
        names = ("length", "batch_size", "masking", "mask_selection_rate", "mask_selection_length", "next_sentence",
                 "sentence_pairs", "packed", "length_buckets", "final_mask_selection_rate", "steps", "replacements",
                 "content_word_weight", "seed")  # fmt: skip
        chosen = {name: getattr(config, name) for name in names}
        return cls(folder, split=split, token_weights=token_weights, **chosen)

    def check_shards(self) -> None:
        """Read every shard of the split once.

        The constructor does so up to 1 GB; call it where reading a larger split failed.

        Raises:
            InputError: a shard is damaged; the message names it.
        """
        self._reader.check_shards()

    def batches(self, start_step: int = 0, *, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Return the batches from a step on; going there costs reading one group of shards.

        Args:
            start_step: int, the first batch; training only. Defaults to `0`.
            worker: int, whose rows of each batch to return: the `worker`-th of `workers` equal runs. Defaults to `0`.
            workers: int, a divisor of the batch size. Defaults to `1`, the whole batch.

        Returns:
            Dataset of `(x, y, sample_weight)`, B rows of L tokens with P mask slots: `x` is a dict of `token_ids`,
            `segment_ids` int32 and `padding_mask` bool, `(B, L)` each, and `mask_positions` int32 `(B, P)`; `y` of
            `masked_lm` int32 `(B, P)` and `next_sentence` int32 `(B,)` (0 = B follows A); `sample_weight` of the same
            names and shapes in float32. `next_sentence` only where asked for. Packed rows also have in `x`, int32
            `(B, L)` each, `sequence_ids` (1, 2, … for the texts of a row, 0 for padding) and `position_ids` (from 0 in
            each text). In length buckets L and P are those of each batch.
        """
        keyed = self.keyed_batches(start_step, worker=worker, workers=workers)
        return fit_batches(keyed)

    def keyed_batches(self, start_step: int = 0, *, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Return the batches as flat dicts that also hold the rows' keys, to look at or count.

        Args:
            start_step: int, as in `batches`. Defaults to `0`.
            worker: int, likewise. Defaults to `0`.
            workers: int, likewise. Defaults to `1`.

        Returns:
            Dataset of dicts: the layers' outputs, `example_index`, `epoch` and, unless packed, `document_id`; -1 in
            empty rows.
        """
        if start_step and not self._training:
            raise InputError("the validation split is one pass from its beginning")
        share = share_of_batch(self.batch_size, worker, workers)
        mine = (worker, share) if self._training and workers > 1 else None
        late = self._masking.needs_step
        dataset = self.row_chunks(start_step * self.batch_size, self.batch_size, share_of=mine, masked=not late)
        dataset = dataset.rebatch(share if self._training else self.batch_size, drop_remainder=self._training)
        if late:
            dataset = dataset.enumerate(start_step).map(as_it_is(lambda step, rows: self._masking(rows, step)))
        if self._buckets is not None:
            dataset = dataset.map(as_it_is(self._buckets.cut))
        steps = tf.data.INFINITE_CARDINALITY
        if not self._training:
            part = slice(worker * share, (worker + 1) * share)
            filled = lambda batch: self._builder.fill_up(batch, self.batch_size)
            dataset = dataset.map(as_it_is(lambda batch: {name: rows[part] for name, rows in filled(batch).items()}))
            steps = -(-self.rows // self.batch_size)
        return in_order(dataset, steps)

    def row_chunks(
        self, first_row: int, batch_size: int, *, share_of: tuple[int, int] | None = None,
        row_of: Callable[[tf.Tensor], tf.Tensor] = lambda position: position, masked: bool = False,
    ) -> tf.data.Dataset:  # fmt: skip
        """Return rows from one on, some hundred at a time.

        Args:
            first_row: int, counted through all epochs.
            batch_size: int, rows of the batches that they come to be in.
            share_of: a worker's number and how many rows of each batch are its own; those of other workers are left
                out. Defaults to `None`, all rows.
            row_of: callable that says which row of the run this corpus' rows at some positions are, int64 both.
                Defaults to the same ones: there is no other corpus.
            masked: bool, whether they are masked at once. Defaults to `False`.

        Returns:
            Dataset of dicts: what `SegmentPacker` gives, labels, keys, and masks or what these are made by.
        """
        group, place = self._plan.find_row(first_row)
        last = np.iinfo(np.int64).max if self._training else self._plan.groups
        groups = tf.data.Dataset.range(group, last).map(as_it_is(self._reader.load)).prefetch(1)

        def chunks(loaded: OrderedRows) -> tf.data.Dataset:
            first = tf.where(loaded.number == group, tf.constant(place, tf.int64), 0)
            order, buckets = loaded.order, tf.zeros_like(loaded.order)
            if self._buckets is not None:
                order, buckets = self._buckets.arrange(loaded, self._builder.most_tokens(loaded.rows))
            order, buckets = order[first:], buckets[first:]
            run_rows = row_of(loaded.position + tf.range(first, tf.size(loaded.order, tf.int64)))
            if share_of is not None:
                # Before any work is spent on the rows of other workers.
                worker, share = share_of
                mine = run_rows % batch_size // share == worker
                order, buckets, run_rows = (tf.boolean_mask(part, mine) for part in (order, buckets, run_rows))

            def chunk(begin: tf.Tensor) -> dict[str, tf.Tensor]:
                chosen = order[begin : begin + CHUNK_ROWS]
                steps = run_rows[begin : begin + CHUNK_ROWS] // batch_size
                rows = self._builder(loaded.epoch, loaded.rows, chosen, tf.gather(loaded.index, chosen), steps)
                if self._buckets is not None:
                    rows["length_bucket"] = buckets[begin : begin + CHUNK_ROWS]
                return self._masking(rows) if masked else rows

            begins = tf.data.Dataset.range(0, tf.size(order, tf.int64), CHUNK_ROWS)
            return begins.map(as_it_is(chunk), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

        return groups.flat_map(as_it_is(chunks))

    def _check_content(self) -> None:
        split = self.manifest.splits[self.split]
        if not split.tokens:
            raise InputError(f"the {self.split} split of {self.folder} is empty: give more documents")
        ordered = self.sentence_pairs == "order" and split.sentences > split.documents
        if self.next_sentence and not (split.has_pairs or ordered):
            few = "two documents" if split.documents < 2 else "documents of two sentences"
            raise InputError(
                f"sentence pairs need {few}, the {self.split} split of {self.folder} has "
                f"{'one' if split.documents < 2 else 'none'}: give more documents, or leave the objective out with "
                "next_sentence=False (--next-sentence=false)"
            )
