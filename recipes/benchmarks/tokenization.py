"""How fast strings become token ids, beside Hugging Face's tokenizers: one thread each, same text, same vocabulary."""

from collections.abc import Callable
from typing import Any

import side_by_side

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
    side_by_side.one_thread()
    import tensorflow as tf

    from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    lines = _lines(text, megabytes * 1_000_000)
    size = sum(len(line.encode()) for line in lines) / 1e6
    vocabulary = learn_vocabulary(lines, vocabulary_size, exact=False, normalization="bert").vocabulary
    batches = [lines[start : start + batch_size] for start in range(0, len(lines), batch_size)]
    tensors = [tf.constant(batch) for batch in batches]
    peer = side_by_side.hugging_face(vocabulary)
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

    side_by_side.publish(
        side_by_side.alternate(sides, rounds),
        shape=f"{len(lines)} lines, {size:.1f} MB, {batch_size} a call, vocabulary {len(vocabulary)}",
        tokens=sum(map(len, expected)),
        megabytes=size,
        more={name: {"same_ids": round(share, 4)} for name, share in same.items()},
        json_file=json,
    )


def _lines(text: list[str] | None, characters: int) -> list[str]:
    lines: list[str] = []
    for document in side_by_side.documents(text):
        lines += document.lines
        characters -= len(document.text)
        if characters <= 0:
            break
    return lines


if __name__ == "__main__":
    command_line.run(tokenization)
