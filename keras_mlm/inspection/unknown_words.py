"""Which words of a text a vocabulary cannot spell."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from keras_mlm.data.documents import read_documents
from keras_mlm.data.progress import progress_bar
from keras_mlm.data.text_files import list_files
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

_BYTES = 1 << 20
# Different words kept at once; beyond that the rare half is forgotten, and with it its counts so far.
_MOST_WORDS = 200_000


@dataclasses.dataclass(frozen=True)
class UnknownWords:
    """The words with [UNK] in them.

    Args:
        words: int, words of the text.
        unknown: int, how many of them have an [UNK].
        most_frequent: list of `(word, count)`, the most frequent first.
        exact: bool, whether every count is; else there were too many words, and counts are the least they can be.
    """

    words: int
    unknown: int
    most_frequent: list[tuple[str, int]]
    exact: bool

    @classmethod
    def of(
        cls,
        paths: Sequence[str],
        tokenizer: WordPieceTokenizer,
        *,
        field: str | None = None,
        errors: Literal["strict", "replace", "skip"] = "strict",
        most_frequent: int = 20,
    ) -> "UnknownWords":
        """Read a text and count its unknown words, as they are written.

        Args:
            paths: sequence of str, files and folders, as `read_documents` takes them.
            tokenizer: `WordPieceTokenizer`.
            field: str, what holds the text of a row, as of `read_documents`. Defaults to `None`.
            errors: `"strict"`, `"replace"` or `"skip"`, likewise. Defaults to `"strict"`.
            most_frequent: int, how many to name. Defaults to `20`.

        Returns:
            `UnknownWords`.

        Raises:
            InputError: as `read_documents`.

        Example:
            ```python
            UnknownWords.of(["news.txt"], WordPieceTokenizer.load("data/news")).most_frequent
            ```
        """
        counts: collections.Counter[str] = collections.Counter()
        words = unknown = 0
        exact = True
        for lines in _batches(paths, field, errors):
            token_ids = tokenizer.tokenize(lines)
            ids, splits = token_ids.values.numpy(), token_ids.row_splits.numpy()
            words += int(np.count_nonzero(~tokenizer.continuation[ids]))
            where = np.flatnonzero(ids == tokenizer.unk_token_id)
            # Where words stand is found at half the speed: it is asked of the few lines that matter.
            found = [lines[row] for row in np.unique(np.searchsorted(splits, where, side="right") - 1).tolist()]
            if found:
                spelled = _unknown_words(found, tokenizer)
                unknown += len(spelled)
                counts.update(spelled)
            if len(counts) > _MOST_WORDS:
                counts = collections.Counter(dict(counts.most_common(_MOST_WORDS // 2)))
                exact = False
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(words, unknown, ranked[:most_frequent], exact)


def _batches(
    paths: Sequence[str], field: str | None, errors: Literal["strict", "replace", "skip"]
) -> Iterator[list[str]]:
    files = list_files(paths, tables=field is not None)
    # How much text packed files and standard input hold is known at their end.
    plain = all(Path(file).is_file() and not file.endswith((".gz", ".xz")) for file in files)
    total = sum(Path(file).stat().st_size for file in files) if plain else None
    with progress_bar("Looking for unknown words", total, "bytes") as bar:
        lines: list[str] = []
        read = 0
        for document in read_documents(paths, field=field, errors=errors):
            lines += document.lines
            read += sum(len(line.encode("utf-8", "surrogatepass")) + 1 for line in document.lines)
            if read >= _BYTES:
                yield lines
                bar.update(read)
                lines, read = [], 0
        if lines:
            yield lines


def _unknown_words(lines: list[str], tokenizer: WordPieceTokenizer) -> list[str]:
    words = tokenizer.words(lines)
    first = np.cumsum(words.piece_counts) - words.piece_counts
    has = np.logical_or.reduceat(words.token_ids == tokenizer.unk_token_id, first)
    line_of = np.repeat(np.arange(len(lines)), words.word_counts)
    return [lines[line_of[word]][words.starts[word] : words.ends[word]] for word in np.flatnonzero(has).tolist()]
