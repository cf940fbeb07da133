"""A split of documents in, a part of records out: what every process of a preparation does, here or on a cluster."""

import dataclasses
import uuid

import tensorflow as tf

from keras_mlm.data.document_split import DocumentSplit
from keras_mlm.data.held_out import HeldOut
from keras_mlm.data.prepared_part import PreparedPart, file_digest
from keras_mlm.data.record_builder import build_records
from keras_mlm.data.record_count import RecordCount
from keras_mlm.data.sentences import sentences_of
from keras_mlm.data.token_record import serialize_record, token_dtype_for
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


@dataclasses.dataclass(frozen=True)
class SplitTask:
    """One split to prepare.

    Args:
        number: int, which split of the corpus it is.
        split: `DocumentSplit`.
        first_id: int, the id of its first training document.
        path: str, where its part goes, without an ending; it tells this work from any other.
    """

    number: int
    split: DocumentSplit
    first_id: int
    path: str

    def __str__(self) -> str:
        return f"split {self.number}, which begins at {self.split.place}"


class SplitPreparer:
    """Makes the training records of splits; the tokenizer is loaded once, with the first.

    It holds paths and the annotator only, so that it is cheap to send to a process or a machine. The part is a function
    of the task and of what the folder holds, and of nothing else.

    Args:
        folder: str, with the tokenizer and the held-out documents.
        annotator: `Annotator`, or `None` for the words of the tokenizer.

    Example:
        ```python
        SplitPreparer("data/news/.partial", None)(task)
        print(PreparedPart.load(task.path).documents)
        ```
    """

    def __init__(self, folder: str, annotator: Annotator | None) -> None:
        self._folder = folder
        self._annotator = annotator
        self._loaded: tuple[WordPieceTokenizer, HeldOut] | None = None

    def __call__(self, task: SplitTask) -> None:
        """Write the part of a split: `PATH.tfrecord`, and last `PATH.json`.

        Args:
            task: `SplitTask`.
        """
        if self._loaded is None:
            self._loaded = WordPieceTokenizer.load(self._folder), HeldOut.load(self._folder)
        tokenizer, held_out = self._loaded
        token_dtype = token_dtype_for(tokenizer.vocabulary_size)
        chosen = [sentences_of(lines) for _, lines in task.split.read(lambda key: key not in held_out)]
        seen = sorted(held_out.shared(chosen))
        tags: dict[str, int] = {}
        tokens: list[int] = []
        count = RecordCount(tokenizer.unk_token_id)
        # Another process that was left over may be writing the same part.
        aside = f"{task.path}.{uuid.uuid4().hex[:8]}.partial"
        with tf.io.TFRecordWriter(aside) as writer:
            for record in build_records(
                enumerate(chosen, task.first_id), tokenizer, annotator=self._annotator, tags=tags
            ):
                writer.write(serialize_record(record, token_dtype))
                tokens.append(len(record.token_ids))
                count.add(record)
        part = PreparedPart(
            record_tokens=tokens,
            documents=count.documents,
            sentences=count.sentences,
            unknown_tokens=count.unknown_tokens,
            seen=seen,
            tags=list(tags),
            digest=file_digest(aside),
            split_digest=task.split.digest,
            number=task.number,
        )
        tf.io.gfile.rename(aside, task.path + ".tfrecord", overwrite=True)
        part.save(task.path)
