"""One record of a prepared corpus, and how it lies in a TFRecord file."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError

# The longest record. A row is cut from one record, so this is also the longest row a corpus can fill.
MAX_RECORD_TOKENS = 4096

TOKEN_DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "int32": np.dtype("<i4")}


@dataclasses.dataclass(frozen=True)
class TokenRecord:
    """A run of whole sentences of one document as token ids, without special tokens, unmasked and unpaired.

    Args:
        document_id: int, the same for all records of a document and for no other document of the corpus.
        token_ids: int32 array of shape `(tokens,)`, at most 4,096 long.
        word_starts: bool array of shape `(tokens,)`, true where a token begins a word.
        sentence_starts: bool array of shape `(tokens,)`, true where a token begins a sentence; always true at 0.
        pos_ids: uint8 array of shape `(tokens,)`, the part of speech of a token's word as a place in the manifest's
            `pos_tags`, counted from 1; 0 where there is none. Defaults to `None`, a corpus without them.

    Example:
        ```python
        record = TokenRecord(0, np.array([7, 8], "int32"), np.array([True, False]), np.array([True, False]))
        ```
    """

    document_id: int
    token_ids: np.ndarray
    word_starts: np.ndarray
    sentence_starts: np.ndarray
    pos_ids: np.ndarray | None = None


def token_dtype_for(vocabulary_size: int) -> str:
    """Return the narrowest of `"uint16"` and `"int32"` that holds every id of a vocabulary."""
    return "uint16" if vocabulary_size <= 65536 else "int32"


def serialize_record(record: TokenRecord, token_dtype: str) -> bytes:
    """Return a record as a serialized `tf.train.Example`.

    The arrays are raw little-endian bytes, not lists of numbers: a whole shard then decodes in one operation.

    Args:
        record: `TokenRecord`.
        token_dtype: `"uint16"` or `"int32"`, how the ids are stored.

    Returns:
        bytes with the features `document_id` (int64) and `token_ids`, `word_starts`, `sentence_starts` and, if there
        are any, `pos_ids` (bytes).
    """
    example = tf.train.Example()
    feature = example.features.feature
    feature["document_id"].int64_list.value.append(record.document_id)
    feature["token_ids"].bytes_list.value.append(record.token_ids.astype(TOKEN_DTYPES[token_dtype]).tobytes())
    feature["word_starts"].bytes_list.value.append(record.word_starts.tobytes())
    feature["sentence_starts"].bytes_list.value.append(record.sentence_starts.tobytes())
    if record.pos_ids is not None:
        feature["pos_ids"].bytes_list.value.append(record.pos_ids.tobytes())
    return example.SerializeToString(deterministic=True)


def read_records(path: str, token_dtype: str) -> Iterator[TokenRecord]:
    """Read the records of one shard, in order.

    Args:
        path: str, a shard's path.
        token_dtype: `"uint16"` or `"int32"`, as the manifest says.

    Returns:
        Iterator of `TokenRecord`.

    Raises:
        InputError: the shard is missing or damaged; the message names it.

    Example:
        ```python
        for record in read_records("data/training-00000.tfrecord", "uint16"):
            ...
        ```
    """
    count = 0
    try:
        for data in read_serialized_records(path):
            yield parse_record(data, token_dtype)
            count += 1
    except tf.errors.NotFoundError:
        raise InputError(f"{path} is missing: prepare the corpus again") from None
    except (tf.errors.OpError, ValueError, LookupError) as error:
        raise damaged_shard(path, count) from error


def read_serialized_records(path: str) -> Iterator[bytes]:
    """Yield the records of a TFRecord file as they lie in it."""
    records, count = tf.data.TFRecordDataset(path), 0
    try:
        # Handing over records one by one costs several times as much as parsing them.
        for batch in records.batch(256).as_numpy_iterator():
            yield from batch
            count += len(batch)
    except tf.errors.DataLossError:
        # One by one those before the damage are read too, and the caller knows where it is.
        yield from records.skip(count).as_numpy_iterator()


def damaged_shard(path: str, record: int | None = None) -> InputError:
    """Return the error that names a damaged shard and the way out."""
    where = "" if record is None else f" at record {record}"
    return InputError(f"{path} is damaged{where}: remove manifest.json from its folder and prepare the corpus again")


def parse_record(data: bytes, token_dtype: str) -> TokenRecord:
    """Return the record that `serialize_record` made bytes of; what is none raises `ValueError` or `LookupError`."""
    try:
        feature = tf.train.Example.FromString(data).features.feature
    except Exception as error:  # protobuf's DecodeError, without naming a module this package does not depend on
        raise ValueError("not a tf.train.Example") from error
    token_ids = np.frombuffer(feature["token_ids"].bytes_list.value[0], TOKEN_DTYPES[token_dtype])
    words = np.frombuffer(feature["word_starts"].bytes_list.value[0], np.uint8)
    sentences = np.frombuffer(feature["sentence_starts"].bytes_list.value[0], np.uint8)
    pos_ids = np.frombuffer(feature["pos_ids"].bytes_list.value[0], np.uint8) if "pos_ids" in feature else None
    if not len(token_ids) == len(words) == len(sentences) == len(words if pos_ids is None else pos_ids):
        raise ValueError("features of unequal length")
    document_id = feature["document_id"].int64_list.value[0]
    return TokenRecord(document_id, token_ids.astype(np.int32), words.astype(bool), sentences.astype(bool), pos_ids)
