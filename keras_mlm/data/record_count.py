"""What the records of documents add up to."""

import numpy as np

from keras_mlm.data.token_record import TokenRecord


class RecordCount:
    """Counts documents, sentences and unknown tokens of records that come in the order of their documents.

    Args:
        unk_token_id: int, the id of [UNK].

    Example:
        ```python
        count = RecordCount(tokenizer.unk_token_id)
        for record in records:
            count.add(record)
        print(count.documents, count.sentences, count.unknown_tokens)
        ```
    """

    def __init__(self, unk_token_id: int) -> None:
        self.documents = 0
        self.sentences = 0
        self.unknown_tokens = 0
        self._unk_token_id = unk_token_id
        self._last = -1

    def add(self, record: TokenRecord) -> None:
        """Count one more record."""
        self.documents += record.document_id != self._last
        self._last = record.document_id
        self.sentences += int(np.count_nonzero(record.sentence_starts))
        self.unknown_tokens += int(np.count_nonzero(record.token_ids == self._unk_token_id))
