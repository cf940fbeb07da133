"""Turns documents of sentences into token records, many documents at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

from keras_mlm.data.token_record import MAX_RECORD_TOKENS, TokenRecord
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Enough text a call that calling costs nothing, little enough that its tokens fit into the processor's cache.
BATCH_CHARACTERS = 1 << 20


def build_records(
    documents: Iterable[tuple[int, list[str]]],
    tokenizer: WordPieceTokenizer,
    *,
    batch_characters: int = BATCH_CHARACTERS,
) -> Iterator[TokenRecord]:
    """Yield the records of documents, in order.

    A document becomes one record, or several of whole sentences when it has more than 4,096 tokens; a sentence that
    is longer still is cut. Documents without tokens give none.

    Args:
        documents: iterable of `(document_id, sentences)`.
        tokenizer: `WordPieceTokenizer`.
        batch_characters: int, how much text is tokenized in one call; changes no result. Defaults to `1_048_576`.

    Returns:
        Iterator of `TokenRecord`.

    Example:
        ```python
        for record in build_records([(0, ["First sentence.", "Second."])], tokenizer):
            print(record.token_ids)
        ```
    """
    batch: list[tuple[int, list[str]]] = []
    characters = 0
    for document_id, sentences in documents:
        batch.append((document_id, sentences))
        characters += sum(map(len, sentences))
        if characters >= batch_characters:
            yield from _records_of(batch, tokenizer)
            batch, characters = [], 0
    if batch:
        yield from _records_of(batch, tokenizer)


def _records_of(batch: list[tuple[int, list[str]]], tokenizer: WordPieceTokenizer) -> Iterator[TokenRecord]:
    tokens = tokenizer.tokenize([sentence for _, sentences in batch for sentence in sentences])
    token_ids = tokens.values.numpy()
    sentence_splits = tokens.row_splits.numpy()
    word_starts = ~tokenizer.continuation[token_ids]
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
            yield TokenRecord(document_id, token_ids[start:stop], word_starts[start:stop], starts)


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
