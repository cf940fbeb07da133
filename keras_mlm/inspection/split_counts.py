"""Counts one half of a prepared corpus, some records at a time."""

import numpy as np

from keras_mlm.inspection.length_counts import LengthCounts
from keras_mlm.inspection.repeats import RepeatCounter
from keras_mlm.inspection.token_batches import TokenBatch
from keras_mlm.inspection.token_hashes import run_hashes
from keras_mlm.inspection.unknown_places import UnknownPlaces


class SplitCounts:
    """What a split holds; memory does not grow with it.

    Args:
        vocabulary_size: int.
        unk_token_id: int.
        documents: `RepeatCounter` that is told every document.
        sentences: `RepeatCounter` that is told every sentence.

    Attributes:
        token_counts: int64 array `(vocabulary_size,)`.
        words: int, tokens that begin a word.
        document_lengths: how often each number of tokens a document occurs, and its `percentile`.
        sentence_lengths: the same of sentences.
        unknown_places: what stands `before` and `after` an [UNK].
    """

    def __init__(
        self, vocabulary_size: int, unk_token_id: int, documents: RepeatCounter, sentences: RepeatCounter
    ) -> None:
        self.token_counts = np.zeros(vocabulary_size, np.int64)
        self.words = 0
        self.document_lengths = LengthCounts()
        self.sentence_lengths = LengthCounts()
        self.unknown_places = UnknownPlaces(unk_token_id, vocabulary_size)
        self._unk_token_id = unk_token_id
        self._documents = documents
        self._sentences = sentences
        # The document whose end has not been seen: its id, hash, place and tokens so far.
        self._open: tuple[int, int, int, int] | None = None

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return self.document_lengths.number

    @property
    def sentences(self) -> int:
        """How many sentences."""
        return self.sentence_lengths.number

    @property
    def tokens(self) -> int:
        """How many tokens, special ones not counted."""
        return int(self.token_counts.sum())

    @property
    def unknown(self) -> int:
        """How many of the tokens are [UNK]."""
        return int(self.token_counts[self._unk_token_id])

    def add(self, batch: TokenBatch) -> None:
        """Count some more records, in order.

        Args:
            batch: `TokenBatch`.
        """
        self.token_counts += np.bincount(batch.token_ids, minlength=len(self.token_counts))
        self.words += int(np.count_nonzero(batch.word_starts))
        self.unknown_places.add(batch.token_ids, batch.word_starts, batch.sentence_starts, batch.first_place)
        starts = np.flatnonzero(batch.sentence_starts)
        lengths = np.diff(np.append(starts, len(batch.token_ids)))
        self.sentence_lengths.add(lengths)
        self._sentences.add(run_hashes(batch.token_ids, starts), starts + batch.first_place, lengths)
        self._add_documents(batch)

    def finish(self) -> None:
        """Count the last document: there is no more to come."""
        if self._open is not None:
            _, value, place, tokens = self._open
            self._open = None
            self._tell(np.array([value], np.uint64), np.array([place]), np.array([tokens]))

    def _add_documents(self, batch: TokenBatch) -> None:
        ids = batch.document_ids
        first = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        if self._open is not None and self._open[0] != ids[0]:
            self.finish()
        before = 0 if self._open is None else self._open[3]
        starts = (np.cumsum(batch.lengths) - batch.lengths)[first]
        hashes = run_hashes(batch.token_ids, starts, before)
        places = starts + batch.first_place
        tokens = np.diff(np.append(starts, len(batch.token_ids)))
        if self._open is not None:
            hashes[:1] += np.uint64(self._open[1])
            places[0] = self._open[2]
            tokens[0] += before
        self._open = (int(ids[-1]), int(hashes[-1]), int(places[-1]), int(tokens[-1]))
        self._tell(hashes[:-1], places[:-1], tokens[:-1])

    def _tell(self, hashes: np.ndarray, places: np.ndarray, tokens: np.ndarray) -> None:
        self.document_lengths.add(tokens)
        self._documents.add(hashes, places, tokens)
