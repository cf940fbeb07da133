"""What counting alone predicts for a masked token: the perplexities a model has to beat."""

import logging
from collections.abc import Iterable

import numpy as np

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.token_record import TokenRecord, read_records
from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)

# More is counted from evenly spread shards: the three sorted tables of this many tokens take about 1.5 GB.
_MOST_TOKENS = 20_000_000


class Yardsticks:
    """Two count models of the training tokens: of a token alone, and of a token between its two neighbours.

    Unigram: `P(t) = (c(t) + 1) / (N + V)`. Neighbours: Witten-Bell interpolation, where a context `x` seen `c(x)` times
    with `T(x)` different tokens gives `P(t | x) = (c(x, t) + T(x) · P'(t)) / (c(x) + T(x))`. For the pair of both
    neighbours `P'` is the mean of the same estimate from the left and from the right one, each weighted by how often
    its context was seen relative to its different tokens, and for these it is the unigram estimate.

    Args:
        records: iterable of TokenRecord, the training half of a corpus. Neighbours are counted inside a record.
        vocabulary_size: int, number of tokens of the vocabulary, below 2,097,152.

    Example:
        ```python
        yardsticks = Yardsticks.from_folder("data/news")
        loss = yardsticks.neighbour_loss(left=[17], token_ids=[5], right=[-1])
        ```

    References:
        - [The zero-frequency problem](https://doi.org/10.1109/18.87000)
    """

    def __init__(self, records: Iterable[TokenRecord], vocabulary_size: int) -> None:
        if vocabulary_size >= 2**21:
            raise InputError(f"neighbours can be counted for at most 2,097,151 tokens, not {vocabulary_size}")
        self.vocabulary_size = vocabulary_size
        runs = [record.token_ids for record in records]
        tokens = np.concatenate([*runs, np.zeros(0, "int32")]).astype("int64")
        # True where a token and the one after it lie in the same record.
        joined = np.ones(len(tokens), bool)
        joined[np.cumsum([len(run) for run in runs if len(run)], dtype="int64") - 1] = False
        pair = np.flatnonzero(joined)
        triple = pair[joined[np.minimum(pair + 1, len(tokens) - 1)]]
        self._unigram = (np.bincount(tokens, minlength=vocabulary_size) + 1.0) / (len(tokens) + vocabulary_size)
        self._after = _ContextCounts(tokens[pair], tokens[pair + 1], vocabulary_size)
        self._before = _ContextCounts(tokens[pair + 1], tokens[pair], vocabulary_size)
        between = tokens[triple] * vocabulary_size + tokens[triple + 2]
        self._between = _ContextCounts(between, tokens[triple + 1], vocabulary_size)

    @classmethod
    def from_folder(cls, folder: str) -> "Yardsticks":
        """Count the training split of a prepared corpus.

        Args:
            folder: str, a data folder. Of more than 20 million tokens, evenly spread shards are counted.

        Returns:
            `Yardsticks`.
        """
        manifest = Manifest.load(folder)
        paths = manifest.shard_paths(folder, "training")
        every = -(-manifest.splits["training"].tokens // _MOST_TOKENS) or 1
        if every > 1:
            logger.info("The yardsticks count one of %d training shards", every)
        records = (record for path in paths[::every] for record in read_records(path, manifest.token_dtype))
        return cls(records, manifest.vocabulary_size)

    def unigram_loss(self, token_ids: np.ndarray) -> np.ndarray:
        """Return `-log P(t)` of every token.

        Args:
            token_ids: int array of shape `(n,)`.

        Returns:
            float64 array of shape `(n,)`.
        """
        return -np.log(self._unigram[np.asarray(token_ids)])

    def neighbour_loss(self, left: np.ndarray, token_ids: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return `-log P(t | left, right)` of every token.

        Args:
            left: int array of shape `(n,)`, the token before, -1 where there is none.
            token_ids: int array of shape `(n,)`.
            right: int array of shape `(n,)`, the token after, -1 where there is none.

        Returns:
            float64 array of shape `(n,)`.
        """
        left, token_ids, right = (np.asarray(ids, "int64") for ids in (left, token_ids, right))
        unigram = self._unigram[token_ids]
        from_left, trust_left = self._after.estimate(left, token_ids, unigram)
        from_right, trust_right = self._before.estimate(right, token_ids, unigram)
        trust = trust_left + trust_right
        one_side = np.where(
            trust > 0, (trust_left * from_left + trust_right * from_right) / np.where(trust > 0, trust, 1), unigram
        )
        both = np.where((left >= 0) & (right >= 0), left * self.vocabulary_size + right, -1)
        return -np.log(self._between.estimate(both, token_ids, one_side)[0])


class _ContextCounts:
    """How often each token was seen in each context, as one sorted array of `context · V + token`."""

    def __init__(self, contexts: np.ndarray, token_ids: np.ndarray, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.keys, self.counts = np.unique(contexts * vocabulary_size + token_ids, return_counts=True)
        self.sums = np.concatenate([[0], np.cumsum(self.counts)])

    def estimate(
        self, contexts: np.ndarray, token_ids: np.ndarray, fallback: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the Witten-Bell estimate, and its weight `c / (c + T)`; the context -1 was never seen."""
        if not len(self.keys):
            return fallback, np.zeros(len(contexts))
        low = np.searchsorted(self.keys, contexts * self.vocabulary_size)
        high = np.searchsorted(self.keys, (contexts + 1) * self.vocabulary_size)
        seen, types = self.sums[high] - self.sums[low], high - low
        keys = contexts * self.vocabulary_size + token_ids
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        count = np.where(self.keys[place] == keys, self.counts[place], 0)
        total = np.maximum(seen + types, 1)
        return np.where(seen > 0, (count + types * fallback) / total, fallback), seen / total
