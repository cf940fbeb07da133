"""A WordPiece vocabulary out of text files."""

from collections.abc import Sequence
from typing import Literal

from keras_mlm.data.documents import read_documents
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.normalization import Normalization
from keras_mlm.tokenizers.vocabulary_report import VocabularyReport


def train_vocabulary(
    files: Sequence[str],
    size: int,
    *,
    exact: bool = True,
    normalization: Normalization = "fast",
    lowercase: bool = True,
    field: str | None = None,
    errors: Literal["strict", "replace", "skip"] = "strict",
) -> VocabularyReport:
    """Learn a WordPiece vocabulary of exactly the size asked for from files and folders of text.

    `prepare_corpus` does this by itself and leaves held-out documents aside; `learn_vocabulary` takes texts that are in
    memory or come from elsewhere, and says how the vocabulary is made.

    Args:
        files: list of str, files, folders and patterns as `read_documents` takes them.
        size: int, the number of tokens, [PAD] [UNK] [CLS] [SEP] [MASK] included.
        exact: bool, whether fewer tokens than asked for are refused. Defaults to `True`.
        normalization: `"fast"` or `"bert"`, see `WordPieceTokenizer`. Defaults to `"fast"`.
        lowercase: bool. Defaults to `True`.
        field: str, what holds the text in JSONL, CSV and TSV, see `read_documents`. Defaults to `None`, `"text"`.
        errors: `"strict"` stops at invalid UTF-8 and at rows that cannot be read, `"replace"` puts U+FFFD in the place
            of what is not UTF-8, `"skip"` leaves such documents out with a warning. Defaults to `"strict"`.

    Returns:
        `VocabularyReport`: the tokens, how much of the text they spell and the rate of [UNK].

    Raises:
        InputError: no such file, no text in it, bytes that are no UTF-8, too few tokens, or a size too small for the
            alphabet.

    Example:
        ```python
        report = train_vocabulary(["my_text.txt", "more_text/"], 8000)
        tokenizer = WordPieceTokenizer(report.vocabulary)
        print(report.coverage, report.unknown_rate)
        ```
    """
    lines = (line for document in read_documents(files, field=field, errors=errors) for line in document.lines)
    return learn_vocabulary(lines, size, exact=exact, normalization=normalization, lowercase=lowercase)
