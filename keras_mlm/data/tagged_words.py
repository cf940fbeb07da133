"""Streams sentences of tagged words out of files of columns (CoNLL, Universal Dependencies) and data sets."""

import dataclasses
import re
from collections.abc import Iterator

from keras_mlm.data.file_columns import check_width, column_place
from keras_mlm.data.hub_rows import hub_rows, is_hub_address
from keras_mlm.data.text_files import one_file, read_lines
from keras_mlm.errors import InputError

# In CoNLL-U: words that are listed again in parts (3-4), and words that are not in the text (8.1).
_NO_WORD = re.compile(r"\d+[-.]\d+")
_DOCUMENT = "-DOCSTART-"


@dataclasses.dataclass(frozen=True)
class TaggedWords:
    """One sentence: where it stood, its words and their tags.

    Args:
        source: str, the file.
        lines: list of int, the line of each word in the file, from 1.
        words: list of str.
        tags: list of str, as long as `words`.
    """

    source: str
    lines: list[int]
    words: list[str]
    tags: list[str]


def read_tagged_words(path: str, *, word: str | None = None, label: str | None = None) -> Iterator[TaggedWords]:
    """Stream the sentences of a file: a word a line, a blank line between sentences.

    Columns are separated by tabs if the first line has one, else by spaces. A column is chosen by its number, from 1,
    or by its name; a name means that the first line holds the names. Where tabs separate columns, a line that begins
    with `#` and has none is a comment; `-DOCSTART-` lines separate documents. The suffix `.conllu`, with `.gz` or
    `.xz` behind it as any other, means Universal Dependencies. A path that begins with `hf:` is a data set of the
    Hugging Face hub, see `hub_rows`: a row is a sentence, with a list of words and one of tags.

    Args:
        path: str, the file.
        word: str, column of the word. Defaults to `"1"`, in `.conllu` to `"2"`, in a data set to `"tokens"`.
        label: str, column of the tag. Defaults to `"2"`, in `.conllu` to `"4"`, the part of speech, in a data set to
            `"ner_tags"`.

    Returns:
        Iterator of `TaggedWords`, in the file's order.

    Raises:
        InputError: the file is missing, damaged, no UTF-8 or empty; a column is not there; a line has another number of
            columns than the first; a word or tag is empty. The message names file and line.

    Example:
        ```python
        for sentence in read_tagged_words("train.tsv", word="1", label="2"):
            print(sentence.words, sentence.tags)
        ```
    """
    if is_hub_address(path):
        return _sentences(path, _of_lists(path, word or "tokens", label or "ner_tags"))
    path = one_file(path)
    universal = path.removesuffix(".gz").removesuffix(".xz").endswith(".conllu")
    wanted = {"word": word or ("2" if universal else "1"), "tag": label or ("4" if universal else "2")}
    return _sentences(path, _rows(path, wanted, universal))


def _sentences(path: str, rows: Iterator[tuple[int, list[str]]]) -> Iterator[TaggedWords]:
    lines: list[int] = []
    words: list[str] = []
    tags: list[str] = []
    empty = True
    for line, cells in rows:
        if cells:
            for name, value in zip(("word", "tag"), cells, strict=True):
                if not value.strip():
                    raise InputError(f"{path}, line {line}: the {name} is empty; fill it in or remove the line")
            lines.append(line)
            words.append(cells[0])
            tags.append(cells[1].strip())
        elif words:
            yield TaggedWords(path, lines, words, tags)
            lines, words, tags, empty = [], [], [], False
    if words:
        yield TaggedWords(path, lines, words, tags)
    elif empty:
        raise InputError(f"{path} has no sentences: a word a line, a blank line between sentences")


def _rows(path: str, wanted: dict[str, str], universal: bool) -> Iterator[tuple[int, list[str]]]:
    """Give line and (word, tag), or no cells where a sentence ends."""
    named = not all(column.isdecimal() for column in wanted.values())
    places: list[int] = []
    separator = "\t"
    width = 0
    for line, text in enumerate(read_lines(path), 1):
        if not text.strip() or text.startswith(_DOCUMENT):
            yield line, []
            continue
        if text.startswith("#") and "\t" not in text and (universal or (separator == "\t" if width else " = " in text)):
            continue  # a comment; where spaces separate columns it may be a word
        if not width:
            separator = "\t" if "\t" in text else " "
        cells = [cell for cell in text.split(separator) if cell or separator == "\t"]
        if not width:
            width = len(cells)
            where = f"{path}, line {line}"
            places = [column_place(where, name, column, cells, named=named) for name, column in wanted.items()]
            if named:
                continue
        check_width(f"{path}, line {line}", cells, width)
        if not (universal and _NO_WORD.fullmatch(cells[0])):
            yield line, [cells[place] for place in places]


def _of_lists(path: str, word: str, tag: str) -> Iterator[tuple[int, list[str]]]:
    """Give, as `_rows` does, the rows of a data set that hold lists; the line is the row's number."""
    for number, row in hub_rows(path):
        for name in (word, tag):
            if not isinstance(row.get(name), list):
                raise InputError(f"{path}, row {number}: {name!r} is no list; there are {', '.join(row)}")
        if len(row[word]) != len(row[tag]):
            raise InputError(f"{path}, row {number}: {len(row[word])} words and {len(row[tag])} tags")
        for cells in zip(row[word], row[tag], strict=True):
            yield number, [str(cell) for cell in cells]
        yield number, []
