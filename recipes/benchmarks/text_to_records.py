"""How fast text becomes token records, beside the encode_batch of Hugging Face's tokenizers: one thread each."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from keras_mlm import command_line


def text_to_records(
    *,
    json: str | None = None,
    text: list[str] | None = None,
    vocabulary_size: int = 8000,
    megabytes: int = 5,
    rounds: int = 5,
) -> None:
    """Compare sentences to shards of records (fast and exact) with sentences to encodings (Hugging Face tokenizers).

    Both get the same sentences and the same vocabulary, trained on them; in exact mode the ids are checked to be
    the same. Rounds alternate; the ratio is the median over rounds.

    Args:
        json: File to write the rows to.
        text: Files and folders of text; by default the docstrings of the installed Python.
        vocabulary_size: Tokens of the vocabulary.
        megabytes: How much of the text is used.
        rounds: How often each side runs.
    """
    import os

    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from keras_mlm.data.record_builder import build_records
    from keras_mlm.errors import RunError
    from keras_mlm.tokenizers.train_vocabulary import train_vocabulary
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    documents = _documents(text, megabytes * 1_000_000)
    sentences = [sentence for document in documents for sentence in document]
    size = sum(len(sentence.encode()) for sentence in sentences) / 1e6
    vocabulary = train_vocabulary(sentences, vocabulary_size, exact=False, normalization="bert").vocabulary
    peer = _hugging_face(vocabulary)
    sides: dict[str, Callable[[], int]] = {
        "tokenizers encode_batch": lambda: sum(map(len, peer.encode_batch(sentences, add_special_tokens=False)))
    }
    for name, normalization in (("keras_mlm fast", "fast"), ("keras_mlm exact", "bert")):
        tokenizer = WordPieceTokenizer(vocabulary, normalization=normalization)
        sides[name] = lambda tokenizer=tokenizer: _write(documents, tokenizer)

    expected = [token for encoding in peer.encode_batch(sentences, add_special_tokens=False) for token in encoding.ids]
    records = build_records(enumerate(documents), WordPieceTokenizer(vocabulary, normalization="bert"))
    found = np.concatenate([record.token_ids for record in records])
    same = len(found) == len(expected) and bool(np.array_equal(found, expected))
    if not same:
        raise RunError("exact mode and Hugging Face give different ids for this text: times mean nothing")

    seconds: dict[str, list[float]] = {name: [] for name in sides}
    tokens: dict[str, int] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            tokens[name] = side()
            seconds[name].append(time.perf_counter() - start)
    rows: list[dict[str, Any]] = []
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["tokenizers encode_batch"], times, strict=True))
        rows.append(
            {
                "name": name,
                "shape": f"{len(sentences)} sentences, {size:.1f} MB, vocabulary {len(vocabulary)}",
                "parameters": 0,
                "dropout": 0.0,
                "tokens_per_second": round(tokens[name] / statistics.median(times)),
                "megabytes_per_second": round(size / statistics.median(times), 2),
                "times_tokenizers": round(ratio, 2),
                "same_ids": same if name != "keras_mlm fast" else None,
            }
        )
        line = "{name:24} {megabytes_per_second:7.2f} MB/s {tokens_per_second:>12,} tokens/s {times_tokenizers:6.2f} x"
        print(line.format(**rows[-1]))
    if json:
        _save(rows, json)


def _save(rows: list[dict[str, Any]], path: str) -> None:
    with open(path, "w") as file:
        json.dump(rows, file, indent=2)


def _documents(text: list[str] | None, characters: int) -> list[list[str]]:
    from keras_mlm.data.docstrings import read_docstrings
    from keras_mlm.data.documents import read_documents
    from keras_mlm.data.sentences import split_sentences

    documents = []
    for document in read_documents(text) if text else read_docstrings():
        documents.append([sentence for line in document.lines for sentence in split_sentences(line)])
        characters -= len(document.text)
        if characters <= 0:
            break
    return documents


def _write(documents: list[list[str]], tokenizer: Any) -> int:
    from keras_mlm.data.record_builder import build_records
    from keras_mlm.data.shard_writer import ShardWriter
    from keras_mlm.data.token_record import token_dtype_for

    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(folder, "training", token_dtype_for(tokenizer.vocabulary_size)) as writer:
            for record in build_records(enumerate(documents), tokenizer):
                writer.write(record)
        return sum(shard.tokens for shard in writer.shards)


def _hugging_face(vocabulary: list[str]) -> Any:
    """Return the tokenizer that BertTokenizerFast wraps."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    ids = {token: token_id for token_id, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


if __name__ == "__main__":
    command_line.run(text_to_records)
