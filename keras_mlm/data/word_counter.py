"""The words of a split of documents counted: what every process of a preparation does for a new vocabulary."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from keras_mlm.data.document_split import DocumentSplit
from keras_mlm.data.held_out import HeldOut
from keras_mlm.freed_memory import give_freed_memory_back
from keras_mlm.tokenizers.count_words import count_words


class WordCounter:
    """Counts the words of splits, those of held-out documents aside; cheap to send to a process, as `SplitPreparer` is.

    Args:
        folder: str, with the held-out documents.
        share: float, the share of the documents that are counted, chosen by their fingerprints.
        folding: dict, the `normalization`, `lowercase` and `strip_accents` of the tokenizer to be.

    Example:
        ```python
        counter = WordCounter("data/news/.partial", 1.0, {"normalization": "fast"})
        counter(split)
        words = counter.of([split])
        ```
    """

    def __init__(self, folder: str, share: float, folding: dict[str, Any]) -> None:
        self._folder = folder
        self._share = share
        self._folding = folding
        self._held_out: HeldOut | None = None

    def __call__(self, split: DocumentSplit) -> None:
        """Count the words of a split and put the counts beside it.

        Args:
            split: `DocumentSplit`.
        """
        if self._held_out is None:
            self._held_out = HeldOut.load(self._folder)
        words = count_words((line for _, lines in split.read(self._counts) for line in lines), **self._folding)
        with tf.io.gfile.GFile(_path(split), "w") as file:
            file.write(json.dumps(words))
        del words
        give_freed_memory_back()

    def of(self, splits: Iterable[DocumentSplit]) -> Counter[str]:
        """Return the counts of splits together, and remove the files in which they were.

        Args:
            splits: iterable of `DocumentSplit` that were counted, here or in another process.

        Returns:
            `collections.Counter` of words.
        """
        words: Counter[str] = Counter()
        for split in splits:
            with tf.io.gfile.GFile(_path(split)) as file:
                words.update(json.loads(file.read()))
            tf.io.gfile.remove(_path(split))
        return words

    def _counts(self, fingerprint: int) -> bool:
        assert self._held_out is not None
        # The low bits of a fingerprint are as good as random, and independent of the high ones that hold documents out.
        return fingerprint not in self._held_out and (fingerprint & 0xFFFF) < self._share * 0x10000


def _path(split: DocumentSplit) -> str:
    return split.path + ".words"
