"""Batches of rows from several prepared corpora, in fixed shares."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_mlm.config import PretrainingConfig
from keras_mlm.data.fit_batches import as_it_is, fit_batches, in_order, share_of_batch
from keras_mlm.data.manifest import VOCABULARY_FILE
from keras_mlm.data.mixture import Mixture
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.row_masking import RowMasking
from keras_mlm.data.token_counts import token_counts
from keras_mlm.data.token_weights import TokenWeights
from keras_mlm.errors import InputError
from keras_mlm.tokenizers.vocabulary_file import read_vocabulary


class MixedDataset:
    """The training batches of several prepared corpora with one vocabulary, a fixed share of each.

    After any number of rows every corpus has had its share of them to within one row. Each is read in its own order,
    anew when it ends, and its rows are paired and packed among themselves. The rows of a step are the same in one go,
    after a jump, and on any number of workers, as those of a `PretrainingDataset` are.

    Args:
        folders: sequence of str, what `prepare_corpus` wrote.
        config: `PretrainingConfig`, whose `corpus_weights` are the shares, in relation to each other.
        token_weights: `TokenWeights`. Defaults to `None`, all token types alike.

    Attributes:
        corpora: list of `PretrainingDataset`, one of each.
        batch_size: int, rows a batch.
        rows: int, rows of one epoch of each.
        tokens_a_row: float, how many of a row's tokens are no padding, on average; special ones included.
        padded_length: float, how many a row has with its padding.
        manifest: `Manifest` of the first one.

    Raises:
        InputError: as of `PretrainingDataset`, another number of weights, or corpora with several vocabularies.

    Example:
        ```python
        config = PretrainingConfig(steps=1000, corpus_weights=(0.7, 0.3))
        training = MixedDataset(["data/news", "data/law"], config)
        model.fit(training.batches(), steps_per_epoch=1000)
        ```
    """

    def __init__(
        self, folders: Sequence[str], config: PretrainingConfig, *, token_weights: TokenWeights | None = None
    ) -> None:
        if len(folders) != len(config.corpus_weights):
            raise InputError(f"{len(folders)} corpora need as many corpus_weights, not {len(config.corpus_weights)}")
        self._mixture = Mixture.of(config.corpus_weights)
        vocabulary = check_one_vocabulary(folders)
        alike = dataclasses.replace(config, replacements="uniform")  # what is drawn is masked here
        self.corpora = [PretrainingDataset.from_config(folder, alike) for folder in folders]
        ways = {corpus.manifest.normalization: corpus.folder for corpus in self.corpora}
        if len(ways) > 1:
            listed = " and ".join(f"{folder} ({way})" for way, folder in ways.items())
            raise InputError(f"corpora that are mixed need one --normalization, not {listed}")
        self.batch_size = config.batch_size
        self.padded_length = float(config.length)
        self.manifest = self.corpora[0].manifest
        self.rows = sum(corpus.rows for corpus in self.corpora)
        shares = np.array(config.corpus_weights) / sum(config.corpus_weights)
        self.tokens_a_row = float(shares @ [corpus.tokens_a_row for corpus in self.corpora])
        frequencies = None
        if config.replacements == "unigram":
            counts = [token_counts(corpus.folder, corpus.manifest) for corpus in self.corpora]
            frequencies = shares @ np.array([some / max(1, some.sum()) for some in counts])
        self._masking = RowMasking(
            vocabulary, rate=config.mask_selection_rate, slots=config.predictions, strategy=config.masking,
            seed=config.seed, replacement_weights=frequencies, token_weights=token_weights,
        )  # fmt: skip

    def batches(self, start_step: int = 0, *, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Return the batches from a step on, as those of a `PretrainingDataset`.

        Args:
            start_step: int, the first batch. Defaults to `0`.
            worker: int, whose rows of each batch to return: the `worker`-th of `workers` equal runs. Defaults to `0`.
            workers: int, a divisor of the batch size. Defaults to `1`, the whole batch.
        """
        keyed = self.keyed_batches(start_step, worker=worker, workers=workers)
        return fit_batches(keyed)

    def keyed_batches(self, start_step: int = 0, *, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Return the batches as flat dicts with the rows' keys; `corpus` is the place of a row's corpus among all.

        Args:
            start_step: int, as in `batches`. Defaults to `0`.
            worker: int, likewise. Defaults to `0`.
            workers: int, likewise. Defaults to `1`.
        """
        mixture, batch_size = self._mixture, self.batch_size
        share = share_of_batch(batch_size, worker, workers)
        mine = (worker, share) if workers > 1 else None
        before = mixture.rows_before(start_step * batch_size)

        def rows_of(number: int) -> tf.data.Dataset:
            def named(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
                return {**rows, "corpus": tf.fill(tf.shape(rows["example_index"]), number)}

            chunks = self.corpora[number].row_chunks(
                before[number], batch_size, share_of=mine, row_of=lambda places: mixture.rows_of(number, places)
            )
            return chunks.map(as_it_is(named)).unbatch()

        def corpora_of(step: tf.Tensor) -> tf.Tensor:
            first = step * batch_size + worker * share
            return mixture.corpora(first + tf.range(share, dtype=tf.int64))

        steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max // batch_size)
        chosen = steps.map(as_it_is(corpora_of)).unbatch()
        rows = [rows_of(number) for number in range(len(self.corpora))]
        dataset = tf.data.Dataset.choose_from_datasets(rows, chosen, stop_on_empty_dataset=True)
        dataset = dataset.batch(share, drop_remainder=True).enumerate(start_step)
        # A few steps at once, unless a step's masks are due to what the model has learned just before.
        at_once = None if self._masking.needs_step else tf.data.AUTOTUNE
        dataset = dataset.map(as_it_is(lambda step, rows: self._masking(rows, step)), num_parallel_calls=at_once)
        return in_order(dataset, tf.data.INFINITE_CARDINALITY)


def check_one_vocabulary(folders: Sequence[str]) -> list[str]:
    """Return the vocabulary of several corpora. Raises `InputError` that names the first line that differs."""
    first, *others = folders
    path = tf.io.gfile.join(first, VOCABULARY_FILE)
    vocabulary = read_vocabulary(path)
    for folder in others:
        other = tf.io.gfile.join(folder, VOCABULARY_FILE)
        tokens = read_vocabulary(other)
        if tokens == vocabulary:
            continue
        pairs = enumerate(zip(vocabulary, tokens, strict=False), 1)
        line = next((number for number, (a, b) in pairs if a != b), min(len(vocabulary), len(tokens)) + 1)
        shown = [repr(some[line - 1]) if line <= len(some) else "nothing" for some in (vocabulary, tokens)]
        raise InputError(
            f"corpora are mixed by token ids, but line {line} of {path} is {shown[0]} and that of {other} is "
            f"{shown[1]}: prepare one of them again with --vocabulary and the other's file"
        )
    return vocabulary
