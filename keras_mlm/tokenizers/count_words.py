"""How often each normalised word occurs in text: what a vocabulary is learned from."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from keras_mlm.tokenizers.bert_words import BertWords
from keras_mlm.tokenizers.fast_word_piece import MAX_BYTES_PER_WORD
from keras_mlm.tokenizers.normalization import Normalization, strips_accents

# In a batch what stands between two spaces is looked at once, however often it occurs.
BATCH_CHARACTERS = 2_000_000
# So many are given to the kernels at once: a word takes a hundred bytes on the way, and each Chinese character is one.
PIECES_CHARACTERS = 200_000
# The kernels' time grows with the square of a text's length: Chinese, which has no spaces, comes in pieces.
PIECE = 2000


def count_words(
    texts: Iterable[str],
    *,
    normalization: Normalization = "fast",
    lowercase: bool = True,
    strip_accents: bool | None = None,
) -> Counter[str]:
    """Count the words of texts as `WordPieceTokenizer` with the same arguments will see them.

    Args:
        texts: iterable of str, read once.
        normalization: `"fast"` or `"bert"`, see `WordPieceTokenizer`. Defaults to `"fast"`.
        lowercase: bool. Defaults to `True`.
        strip_accents: bool, or `None` for the value of `lowercase`. Defaults to `None`.

    Returns:
        `collections.Counter` of the normalised words.

    Raises:
        InputError: options that do not go together.

    Example:
        ```python
        count_words(["Low, low, LOWER"])  # Counter({"low": 2, ",": 2, "lower": 1})
        ```
    """
    words_of = _words_of(normalization, lowercase, strips_accents(normalization, lowercase, strip_accents))
    counts: Counter[bytes] = Counter()
    for batch in _batches(texts, BATCH_CHARACTERS):
        # No word goes across a space, and what normalisation makes of one does not depend on its neighbours.
        runs = Counter(" ".join(batch).split(" "))
        pieces = (run[start : start + PIECE] for run in runs for start in range(0, len(run), PIECE))
        times = (times for run, times in runs.items() for _ in range(0, len(run), PIECE))
        for some in _batches(pieces, PIECES_CHARACTERS):
            words, rows = words_of(tf.constant([piece.encode("utf-8", "replace") for piece in some]))
            of_words = np.fromiter(itertools.islice(times, len(some)), np.int64, len(some))[rows]
            counts.update(words)
            for index in np.flatnonzero(of_words > 1).tolist():
                counts[words[index]] += int(of_words[index]) - 1
    return Counter({word.decode("utf-8", "replace"): count for word, count in counts.items()})


@functools.cache  # the kernel's model takes a tenth of a second, and a preparation counts split by split
def _words_of(
    normalization: str, lowercase: bool, strip_accents: bool
) -> Callable[[tf.Tensor], tuple[list[bytes], np.ndarray]]:
    """Return a function from strings `(batch,)` to all their normalised words, and the row of each."""
    if normalization == "bert":
        bert_words = BertWords(lowercase=lowercase, strip_accents=strip_accents)

        def exactly(texts: tf.Tensor) -> tuple[list[bytes], np.ndarray]:
            words = bert_words.split(texts)
            return words.values.numpy().tolist(), words.value_rowids().numpy()

        return exactly
    normalizer = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=lowercase)
    # With one letter for a vocabulary each word is one token, mostly [UNK], and its offsets tell the word.
    whole_words = tf_text.FastWordpieceTokenizer(["[UNK]", "x"], max_bytes_per_word=MAX_BYTES_PER_WORD)

    def fast(texts: tf.Tensor) -> tuple[list[bytes], np.ndarray]:
        normalized = normalizer.normalize(texts)
        _, starts, ends = whole_words.tokenize_with_offsets(normalized)
        rows = starts.value_rowids().numpy()
        strings = normalized.numpy().tolist()
        before = np.cumsum([0, *map(len, strings)])[rows]
        together = b"".join(strings)
        places = zip((starts.values + before).numpy().tolist(), (ends.values + before).numpy().tolist(), strict=True)
        return [together[start:end] for start, end in places], rows

    return fast


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= size:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
