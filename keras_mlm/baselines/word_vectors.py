import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.baselines.words import EXTRA, parts, words
from keras_mlm.data.documents import read_documents
from keras_mlm.data.excluded_sentences import ExcludedSentences
from keras_mlm.data.progress import progress_bar
from keras_mlm.data.text_files import list_files
from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)

EPOCHS = 5


class WordVectors:
    """One vector a word, learned from running text by gensim's word2vec, or read from a file.

    Args:
        table: `gensim.models.KeyedVectors`.
        seconds: float, how long they took to learn; 0 where they were read. Defaults to `0.0`.

    Example:
        ```python
        vectors = WordVectors.train(["news.txt"])
        vectors.save("vectors.txt")
        ```

    References:
        - [word2vec](https://arxiv.org/abs/1310.4546)
    """

    def __init__(self, table: Any, seconds: float = 0.0) -> None:
        self.table = table
        self.seconds = seconds

    @property
    def size(self) -> int:
        """Numbers a vector."""
        return int(self.table.vector_size)

    @classmethod
    def train(
        cls, paths: Sequence[str], *, exclude: Sequence[str] = (), size: int = 100, seed: int = 0, workers: int = 2
    ) -> "WordVectors":
        """Learn skip-gram vectors from text files and folders, see `read_documents`.

        Args:
            paths: sequence of str.
            exclude: sequence of str, evaluation files: documents that hold a sentence of theirs are left out, as
                `prepare_corpus` leaves them out. Defaults to none.
            size: int, numbers a vector. Defaults to `100`.
            seed: int. With several workers the order of updates differs from run to run. Defaults to `0`.
            workers: int, threads. Defaults to `2`.

        Returns:
            `WordVectors` of the words that occur three times or more.

        Raises:
            InputError: gensim is not installed, or there is too little text.
        """
        word2vec = _gensim().Word2Vec
        started = time.monotonic()
        sentences = [words(line) for line in _lines(paths, ExcludedSentences(exclude))]
        with progress_bar("Learning word vectors", EPOCHS, "epochs") as bar:

            class Bar(_callbacks()):  # type: ignore[misc]
                def on_epoch_end(self, model: Any) -> None:
                    bar.update(1)

            try:
                model = word2vec(
                    sentences, vector_size=size, window=5, min_count=3, sg=1, negative=5, epochs=EPOCHS, seed=seed,
                    workers=workers, callbacks=[Bar()],
                )  # fmt: skip
            except RuntimeError as error:
                raise InputError(f"{', '.join(map(str, paths))}: too little text for word vectors ({error})") from None
        return cls(model.wv, time.monotonic() - started)

    @classmethod
    def load(cls, path: str, *, words_at_most: int | None = None) -> "WordVectors":
        """Read vectors in GloVe's text format or word2vec's, which has a line more; also packed as `.gz`.

        Args:
            path: str, the file.
            words_at_most: int, how many to read; they are in the order of their frequency. Defaults to all.

        Returns:
            `WordVectors`.

        Raises:
            InputError: gensim is not installed, or the file is not there or has another format.
        """
        table = _gensim().KeyedVectors
        if not tf.io.gfile.exists(path):
            raise InputError(f"{path} does not exist")
        try:
            import gensim.utils

            with gensim.utils.open(path, "rb") as file:
                first = file.readline().split()
                headed = len(first) == 2 and all(part.isdigit() for part in first)
                width = int(first[1]) + 1 if headed else len(first)
                if width < 2:
                    raise ValueError("line 1 has a word and no numbers")
                # gensim spreads a single number over the whole vector.
                for line, row in enumerate(file, 2):
                    if len(row.rstrip().split(b" ")) != width:
                        raise ValueError(f"line {line} has not {width - 1} numbers")
            return cls(table.load_word2vec_format(path, no_header=not headed, limit=words_at_most))
        except (ValueError, TypeError, EOFError, OSError, IndexError) as error:
            raise InputError(f"{path} has no word vectors in the text format of GloVe or word2vec: {error}") from None

    def save(self, path: str) -> None:
        """Write them in GloVe's text format."""
        self.table.save_word2vec_format(path + ".partial", write_header=False)
        tf.io.gfile.rename(path + ".partial", path, overwrite=True)

    def means(self, texts: Sequence[Any]) -> np.ndarray:
        """Return the mean vector of each text's known words, float32 `(texts, size)`; zeros where none is known.

        Of pairs, both means, how they differ and their product, `(texts, 4 · size)`.
        """
        rows = []
        for text in texts:
            halves = [self._mean(words(part)) for part in parts(text)]
            if len(halves) == 2:
                halves += [np.abs(halves[0] - halves[1]), halves[0] * halves[1]]
            rows.append(np.concatenate(halves))
        return np.array(rows, "float32")

    def _mean(self, tokens: list[str]) -> np.ndarray:
        known = [token for token in tokens if token in self.table]
        return np.mean(self.table[known], axis=0) if known else np.zeros(self.size, "float32")


def _lines(paths: Sequence[str], excluded: ExcludedSentences) -> Iterator[str]:
    for document in read_documents(paths):
        if not excluded.occur_in(document.lines):
            yield from document.lines


def _gensim() -> Any:
    try:
        import gensim.models
    except ImportError:
        raise InputError(f"word vectors need gensim: {EXTRA}") from None
    return gensim.models


def _callbacks() -> Any:
    from gensim.models.callbacks import CallbackAny2Vec

    return CallbackAny2Vec


def lazy_vectors(
    path: str | None, text: Sequence[str] | None, kept: str, exclude: Sequence[str] = ()
) -> Callable[[], WordVectors] | None:
    """Return a callable that reads or learns word vectors when they are first needed.

    Args:
        path: str, file of vectors; or `None`.
        text: sequence of str, text files and folders to learn them from; or `None`.
        kept: str, where what has been learned is kept and read from again.
        exclude: sequence of str, evaluation files, see `WordVectors.train`. Defaults to none.

    Returns:
        A callable that returns `WordVectors`, each time the same; `None` without file and text.

    Raises:
        InputError: both are given, or a file is not there.
    """
    if path and text:
        raise InputError("give either --unlabelled text or --vectors, not both")
    if not path and not text:
        return None
    if path and not tf.io.gfile.exists(path):
        raise InputError(f"{path} does not exist")
    if text:
        list_files(text)

    @functools.cache
    def vectors() -> WordVectors:
        if path or tf.io.gfile.exists(kept):
            return WordVectors.load(path or kept)
        learned = WordVectors.train(text or [], exclude=exclude)
        learned.save(kept)
        logger.info("word vectors learned in %.0f s", learned.seconds)
        return learned

    return vectors
