"""How fast text becomes token records, beside the encode_batch of Hugging Face's tokenizers: one thread each."""

import tempfile
from collections.abc import Callable
from typing import Any

import side_by_side

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
    side_by_side.one_thread()
    import numpy as np

    from keras_mlm.data.record_builder import build_records
    from keras_mlm.errors import RunError
    from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    documents = _documents(text, megabytes * 1_000_000)
    sentences = [sentence for document in documents for sentence in document]
    size = sum(len(sentence.encode()) for sentence in sentences) / 1e6
    vocabulary = learn_vocabulary(sentences, vocabulary_size, exact=False, normalization="bert").vocabulary
    peer = side_by_side.hugging_face(vocabulary)
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

    side_by_side.publish(
        side_by_side.alternate(sides, rounds),
        shape=f"{len(sentences)} sentences, {size:.1f} MB, vocabulary {len(vocabulary)}",
        tokens=len(expected),
        megabytes=size,
        more={"keras_mlm exact": {"same_ids": same}},
        json_file=json,
    )


def _documents(text: list[str] | None, characters: int) -> list[list[str]]:
    from keras_mlm.data.sentences import split_sentences

    documents = []
    for document in side_by_side.documents(text):
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


if __name__ == "__main__":
    command_line.run(text_to_records)
