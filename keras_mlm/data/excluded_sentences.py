"""Sentences of evaluation sets, whose documents are kept out of pre-training."""

from collections.abc import Iterator, Sequence

from keras_mlm.data.file_rows import file_kind, json_rows, table_rows
from keras_mlm.data.fingerprints import is_telling, normalize
from keras_mlm.data.sentences import split_sentences
from keras_mlm.data.text_files import list_files, read_lines
from keras_mlm.errors import InputError


class ExcludedSentences:
    """The sentences of eight words or more in evaluation files, and whether a document contains one of them.

    Every tab-separated field of every line counts, as it stands and split into sentences, so that plain text,
    `label<TAB>text` and sentence pairs all work; of `.csv` every cell, of `.jsonl` every string. Where a line is a word
    and its tags, and a blank line ends a sentence, the words together count, however they are spaced in a document. All
    are held in memory: evaluation sets are small.

    Args:
        paths: list of str, files and folders as for `read_documents`.

    Raises:
        InputError: a file cannot be read, or holds no sentence of eight words, so that excluding it would do nothing.

    Example:
        ```python
        excluded = ExcludedSentences(["test.tsv"])
        excluded.occur_in(["A line of a document that the test set has too."])
        ```
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._sentences: set[str] = set()
        self._unspaced: set[str] = set()  # of sentences that are known by their words
        for path in list_files(paths) if paths else []:
            texts = {normalize(text) for field in _fields(path) for text in (field, *split_sentences(field))}
            texts = set(filter(is_telling, texts))
            tagged = {_unspaced(text) for text in map(normalize, _tagged_sentences(path)) if is_telling(text)}
            if not texts and not tagged:
                raise InputError(f"{path} has no sentence of eight words or more that could be excluded")
            self._sentences |= texts
            self._unspaced |= tagged

    def occur_in(self, lines: Sequence[str]) -> bool:
        """Return whether one of a document's lines, or a sentence of one, is an excluded one."""
        return bool(self._sentences or self._unspaced) and any(
            self._holds(normalize(text)) for line in lines for text in (line, *split_sentences(line))
        )

    def _holds(self, text: str) -> bool:
        return text in self._sentences or (bool(self._unspaced) and _unspaced(text) in self._unspaced)


def _unspaced(normalized: str) -> str:
    return normalized.replace(" ", "")


def _tagged_sentences(path: str) -> Iterator[str]:
    """Give the sentences of a file with a word, a tab and its tags in each line, and a blank line after a sentence."""
    words: list[str] = []
    ended = False
    for line in read_lines(path) if file_kind(path) not in ("jsonl", "csv") else ():
        if line.strip():
            words.append(line.split("\t")[0] if "\t" in line else " ")
        else:
            yield from _joined(words)
            words, ended = [], True
    if ended:  # without a single blank line these are rows of something else
        yield from _joined(words)


def _joined(words: list[str]) -> Iterator[str]:
    if words and not any(map(str.isspace, "".join(words))):
        yield " ".join(words)


def _fields(path: str) -> Iterator[str]:
    kind = file_kind(path)
    if kind == "jsonl":
        for _, entries in json_rows(path):
            yield from (value for value in entries.values() if isinstance(value, str))
    elif kind == "csv":
        for _, cells in table_rows(path):
            yield from cells
    else:
        for line in read_lines(path):
            yield from line.split("\t")
