"""A small corpus of random tokens with copies and unknown words, in many small shards."""

import hashlib
import string
from pathlib import Path

import numpy as np

from keras_mlm.data.manifest import Manifest, Split
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.token_record import TokenRecord
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [
    *SPECIAL_TOKENS, *string.ascii_lowercase, *string.digits, *("##" + letter for letter in string.ascii_lowercase),
    *".,!?()[]{}=→←", *"我们学习中文。", "the", "##er",
]  # fmt: skip


def write_records(folder: Path, splits: dict[str, list[list[list[int]]]], record_tokens: int = 60) -> str:
    """Write documents, lists of sentences of token ids, as records of whole sentences in shards of a few records."""
    tokenizer = WordPieceTokenizer(VOCABULARY)
    tokenizer.save(str(folder))
    counts, document_id = {}, 0
    for name, documents in splits.items():
        with ShardWriter(str(folder), name, "uint16", 1500) as writer:
            for sentences in documents:
                records: list[list[list[int]]] = [[]]
                for sentence in sentences:
                    if records[-1] and sum(map(len, records[-1])) + len(sentence) > record_tokens:
                        records.append([])
                    records[-1].append(sentence)
                for record in records:
                    ids = np.concatenate(record).astype("int32")
                    starts = np.isin(np.arange(len(ids)), np.cumsum([0, *map(len, record)]))
                    writer.write(TokenRecord(document_id, ids, ~tokenizer.continuation[ids], starts))
                document_id += 1
        counts[name] = Split(
            len(documents),
            sum(map(len, documents)),
            sum(len(sentence) for document in documents for sentence in document),
            writer.shards,
        )
    digest = hashlib.sha256("\n".join(VOCABULARY).encode()).hexdigest()
    Manifest("uint16", len(VOCABULARY), digest, "fast", {}, counts, {}).save(str(folder))
    return str(folder)


def random_documents(count: int, seed: int) -> list[list[list[int]]]:
    """Documents some of whose sentences and some of which as a whole are copies."""
    rng = np.random.default_rng(seed)
    common = [rng.integers(5, len(VOCABULARY), rng.integers(1, 6)).tolist() for _ in range(5)]
    documents: list[list[list[int]]] = []
    for _ in range(count):
        if documents and rng.random() < 0.2:
            documents.append(documents[rng.integers(len(documents))])
            continue
        document = []
        for _ in range(rng.integers(1, 25)):
            sentence = rng.integers(5, len(VOCABULARY), rng.integers(1, 20))
            sentence[rng.random(len(sentence)) < 0.03] = 1
            document.append(common[rng.integers(5)] if rng.random() < 0.2 else sentence.tolist())
        documents.append(document)
    return documents
