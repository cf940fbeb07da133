"""How fast strings become token ids, beside Hugging Face's tokenizers: one thread each, same text, same vocabulary."""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from keras_mlm import command_line


def tokenization(
    *,
    json: str | None = None,
    text: list[str] | None = None,
    vocabulary_size: int = 8000,
    megabytes: int = 5,
    batch_size: int = 1024,
    rounds: int = 7,
) -> None:
    """Compare WordPieceTokenizer (fast, exact, with offsets) with encode_batch of Hugging Face's tokenizers.

    All get the same lines in batches and one vocabulary, trained on them; `encode_batch` always makes offsets too.
    The share of lines with the same ids is reported: all in exact mode, fewer in fast mode, which folds more.
    Rounds alternate; the ratio is the median over rounds.

    Args:
        json: File to write the rows to.
        text: Files and folders of text; by default the docstrings of the installed Python.
        vocabulary_size: Tokens of the vocabulary.
        megabytes: How much of the text is used.
        batch_size: Lines a call.
        rounds: How often each side runs.
    """
    import os

    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from keras_mlm.tokenizers.train_vocabulary import train_vocabulary
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    lines = _lines(text, megabytes * 1_000_000)
    size = sum(len(line.encode()) for line in lines) / 1e6
    vocabulary = train_vocabulary(lines, vocabulary_size, exact=False, normalization="bert").vocabulary
    batches = [lines[start : start + batch_size] for start in range(0, len(lines), batch_size)]
    tensors = [tf.constant(batch) for batch in batches]
    peer = _hugging_face(vocabulary)
    expected = [encoding.ids for batch in batches for encoding in peer.encode_batch(batch, add_special_tokens=False)]

    sides: dict[str, Callable[[], Any]] = {
        "tokenizers encode_batch": lambda: [peer.encode_batch(batch, add_special_tokens=False) for batch in batches]
    }
    same: dict[str, float] = {"tokenizers encode_batch": 1.0}
    for name, normalization in (("keras_mlm fast", "fast"), ("keras_mlm exact", "bert")):
        tokenizer = WordPieceTokenizer(vocabulary, normalization=normalization)
        for suffix, call in (("", tokenizer.tokenize), (" offsets", tokenizer.tokenize_with_offsets)):
            graph = tf.function(call, input_signature=[tf.TensorSpec([None], tf.string)])
            sides[name + suffix] = lambda graph=graph: [graph(batch) for batch in tensors]
            found = [ids for batch in sides[name + suffix]() for ids in (batch[0] if suffix else batch).to_list()]
            same[name + suffix] = sum(a == b for a, b in zip(found, expected, strict=True)) / len(expected)

    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - start)
    tokens = sum(map(len, expected))
    rows: list[dict[str, Any]] = []
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["tokenizers encode_batch"], times, strict=True))
        rows.append(
            {
                "name": name,
                "shape": f"{len(lines)} lines, {size:.1f} MB, {batch_size} a call, vocabulary {len(vocabulary)}",
                "parameters": 0,
                "dropout": 0.0,
                "tokens_per_second": round(tokens / statistics.median(times)),
                "megabytes_per_second": round(size / statistics.median(times), 2),
                "times_tokenizers": round(ratio, 2),
                "same_ids": round(same[name], 4),
            }
        )
        line = "{name:24} {megabytes_per_second:7.2f} MB/s {tokens_per_second:>12,} tokens/s {times_tokenizers:6.2f} x"
        print(line.format(**rows[-1]) + f"  same ids {same[name]:.2%}")
    if json:
        _save(rows, json)


def _save(rows: list[dict[str, Any]], path: str) -> None:
    with open(path, "w") as file:
        json.dump(rows, file, indent=2)


def _lines(text: list[str] | None, characters: int) -> list[str]:
    from keras_mlm.data.docstrings import read_docstrings
    from keras_mlm.data.documents import read_documents

    lines: list[str] = []
    for document in read_documents(text) if text else read_docstrings():
        lines += document.lines
        characters -= len(document.text)
        if characters <= 0:
            break
    return lines


def _hugging_face(vocabulary: list[str]) -> Any:
    """Return the tokenizer that BertTokenizerFast wraps."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    ids = {token: token_id for token_id, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


if __name__ == "__main__":
    command_line.run(tokenization)
