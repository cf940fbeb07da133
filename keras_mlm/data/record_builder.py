"""Turns documents of sentences into token records, many documents at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

from keras_mlm.data.token_record import MAX_RECORD_TOKENS, TokenRecord
from keras_mlm.errors import InputError
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Enough text a call that calling costs nothing, little enough that its tokens fit into the processor's cache.
BATCH_CHARACTERS = 1 << 20
# A part of speech is one byte a token, and 0 stands for none.
MOST_TAGS = 255


def build_records(
    documents: Iterable[tuple[int, list[str]]],
    tokenizer: WordPieceTokenizer,
    *,
    annotator: Annotator | None = None,
    tags: dict[str, int] | None = None,
    batch_characters: int = BATCH_CHARACTERS,
) -> Iterator[TokenRecord]:
    """Yield the records of documents, in order.

    A document becomes one record, or several of whole sentences when it has more than 4,096 tokens; a sentence that
    is longer still is cut. Documents without tokens give none.

    Args:
        documents: iterable of `(document_id, sentences)`.
        tokenizer: `WordPieceTokenizer`.
        annotator: `Annotator` whose words are the words of the records; a piece that continues a word never begins one.
            Defaults to `None`, the words of the tokenizer: a Chinese character is one.
        tags: dict that the annotator's tags and their ids, from 1 on, are put into. Defaults to `None`, a new one.
        batch_characters: int, how much text is tokenized in one call; changes no result. Defaults to `1_048_576`.

    Returns:
        Iterator of `TokenRecord`.

    Example:
        ```python
        for record in build_records([(0, ["First sentence.", "Second."])], tokenizer):
            print(record.token_ids)
        ```
    """
    tags = {} if tags is None else tags
    batch: list[tuple[int, list[str]]] = []
    characters = 0
    for document_id, sentences in documents:
        batch.append((document_id, sentences))
        characters += sum(map(len, sentences))
        if characters >= batch_characters:
            yield from _records_of(batch, tokenizer, annotator, tags)
            batch, characters = [], 0
    if batch:
        yield from _records_of(batch, tokenizer, annotator, tags)


def _records_of(
    batch: list[tuple[int, list[str]]], tokenizer: WordPieceTokenizer, annotator: Annotator | None, tags: dict[str, int]
) -> Iterator[TokenRecord]:
    texts = [sentence for _, sentences in batch for sentence in sentences]
    pos_ids = None
    if annotator is None:
        tokens = tokenizer.tokenize(texts)
        token_ids = tokens.values.numpy()
        word_starts = ~tokenizer.continuation[token_ids]
    else:
        tokens, _, starts, _ = tokenizer.tokenize_with_offsets(texts)
        token_ids = tokens.values.numpy()
        begins, pos_ids = words_of_tokens(texts, starts.values.numpy(), tokens.row_splits.numpy(), annotator, tags)
        word_starts = begins & ~tokenizer.continuation[token_ids]
    sentence_splits = tokens.row_splits.numpy()
    sentence_starts = np.zeros(len(token_ids) + 1, bool)  # one more, for empty sentences at the end
    sentence_starts[sentence_splits[:-1]] = True
    first = 0
    for document_id, sentences in batch:
        splits = sentence_splits[first : first + len(sentences) + 1]
        first += len(sentences)
        for start, stop in _cut(splits):
            starts = sentence_starts[start:stop]
            if not starts[0]:
                starts = starts.copy()
                starts[0] = True
            of_words = None if pos_ids is None else pos_ids[start:stop]
            yield TokenRecord(document_id, token_ids[start:stop], word_starts[start:stop], starts, of_words)


def words_of_tokens(
    texts: list[str], starts: np.ndarray, splits: np.ndarray, annotator: Annotator, tags: dict[str, int]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return which tokens are the first ones of the annotator's words, and the ids of their tags."""
    words = annotator.words(texts)
    # Counted through all texts, so that one search finds the words of all tokens.
    before = np.cumsum([0] + [len(text) + 1 for text in texts])
    text_of_token = np.repeat(np.arange(len(texts)), np.diff(splits))
    text_of_word = np.repeat(np.arange(len(texts)), np.diff(words.splits))
    word_of = np.searchsorted(words.starts + before[text_of_word], starts + before[text_of_token], "right") - 1
    begins = np.diff(word_of, prepend=-2) != 0
    begins[splits[:-1][np.diff(splits) > 0]] = True
    if words.tags is None:
        return begins, None
    for tag in words.tags:
        tags.setdefault(tag, len(tags) + 1)
    if len(tags) > MOST_TAGS:
        raise InputError(f"the annotator {annotator.name} has more than {MOST_TAGS} tags, such as {list(tags)[-1]!r}")
    numbers = np.array([tags[tag] for tag in words.tags] + [0], np.uint8)
    # What stands before the first word of its text, a sign that no word has, is of no kind.
    own = np.append(text_of_word, -1)[word_of] == text_of_token
    return begins, np.where(own, numbers[word_of], 0).astype(np.uint8)


def _cut(splits: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the runs of whole sentences, each as long as a record may be, that a document is cut into."""
    start, end = int(splits[0]), int(splits[-1])
    while end - start > MAX_RECORD_TOKENS:
        limit = start + MAX_RECORD_TOKENS
        stop = int(splits[np.searchsorted(splits, limit, "right") - 1])
        if stop <= start:  # one sentence that is longer than a record
            stop = limit
        yield start, stop
        start = stop
    if end > start:
        yield start, end
