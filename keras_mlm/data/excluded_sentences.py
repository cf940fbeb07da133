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
    `label<TAB>text` and sentence pairs all work; of `.csv` every cell, of `.jsonl` every string. They are held in
    memory: evaluation sets are small.

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
        for path in list_files(paths) if paths else []:
            before = len(self._sentences)
            for field in _fields(path):
                for text in (field, *split_sentences(field)):
                    self._sentences.add(normalize(text))
            self._sentences = set(filter(is_telling, self._sentences))
            if len(self._sentences) == before:
                raise InputError(f"{path} has no sentence of eight words or more that could be excluded")

    def occur_in(self, lines: Sequence[str]) -> bool:
        """Return whether one of a document's lines, or a sentence of one, is an excluded one."""
        return bool(self._sentences) and any(
            normalize(text) in self._sentences for line in lines for text in (line, *split_sentences(line))
        )


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
