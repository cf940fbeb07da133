"""Google's way from text to masked pairs: one process, WordPiece in Python, all documents in memory."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

LENGTH = 128
MOST_MASKS = 20
MASKED_SHARE = 0.15
SHORT_SHARE = 0.1


def side(files: list[str], vocabulary: str, output: str) -> Callable[[], int]:
    """Return a function that writes a TFRecord file of masked pairs, and returns their number.

    Written from the description in the BERT paper (Devlin et al., 2019) and its README: every document once, where
    Google's default is ten times.
    """
    import tensorflow as tf

    def once() -> int:
        with open(vocabulary, encoding="utf-8") as file:
            ids = {token: number for number, token in enumerate(file.read().splitlines())}
        ordinary = [token for token in ids if not token.startswith("[")]
        generator = random.Random(0)
        documents = [document for document in _documents(files, ids) if document]
        generator.shuffle(documents)
        count = 0
        with tf.io.TFRecordWriter(output) as writer:
            for place in range(len(documents)):
                for first, second, is_random in _pairs(documents, place, generator):
                    writer.write(_example(tf, first, second, is_random, ids, ordinary, generator))
                    count += 1
        return count

    return once


def _documents(files: list[str], ids: dict[str, int]) -> Iterator[list[list[str]]]:
    for path in files:
        document: list[list[str]] = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                if not line.strip():
                    yield document
                    document = []
                elif tokens := _tokens(line, ids):
                    document.append(tokens)
        yield document


def _tokens(text: str, ids: dict[str, int]) -> list[str]:
    """Words, then for each the longest piece of the vocabulary again and again."""
    tokens: list[str] = []
    for word in _words(text):
        pieces, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start:
                piece = ("##" if start else "") + word[start:end]
                if piece in ids:
                    break
                end -= 1
            if end == start:
                pieces = ["[UNK]"]
                break
            pieces.append(piece)
            start = end
        tokens.extend(pieces)
    return tokens


def _words(text: str) -> list[str]:
    spaced = []
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        if category == "Mn" or (category.startswith("C") and not character.isspace()):
            continue
        alone = category.startswith("P") or (character.isascii() and not character.isalnum()) or _is_chinese(character)
        spaced.append(f" {character} " if alone and not character.isspace() else character)
    return "".join(spaced).split()


def _is_chinese(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or character >= "\U00020000"


def _pairs(
    documents: list[list[list[str]]], place: int, generator: random.Random
) -> Iterator[tuple[list[str], list[str], bool]]:
    """Sentences until they fill a row, divided into A and B, or A and something of another document."""
    document = documents[place]
    room = LENGTH - 3
    target = generator.randint(2, room) if generator.random() < SHORT_SHARE else room
    chunk: list[list[str]] = []
    at = 0
    while at < len(document):
        chunk.append(document[at])
        if at == len(document) - 1 or sum(map(len, chunk)) >= target:
            cut = generator.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
            first = [token for sentence in chunk[:cut] for token in sentence]
            is_random = len(chunk) == 1 or generator.random() < 0.5
            if is_random:
                second = _other(documents, place, target - len(first), generator)
                at -= len(chunk) - cut  # what was not used comes again
            else:
                second = [token for sentence in chunk[cut:] for token in sentence]
            while len(first) + len(second) > room:
                longer = first if len(first) > len(second) else second
                longer.pop(0 if generator.random() < 0.5 else -1)
            if second:
                yield first, second, is_random
            chunk = []
        at += 1


def _other(documents: list[list[list[str]]], place: int, wanted: int, generator: random.Random) -> list[str]:
    other = place
    for _ in range(10):
        other = generator.randrange(len(documents))
        if other != place:
            break
    tokens: list[str] = []
    for sentence in documents[other][generator.randrange(len(documents[other])) :]:
        tokens.extend(sentence)
        if len(tokens) >= wanted:
            break
    return tokens


def _example(
    tf: Any, first: list[str], second: list[str], is_random: bool,
    ids: dict[str, int], ordinary: list[str], generator: random.Random,
) -> bytes:  # fmt: skip
    tokens = ["[CLS]", *first, "[SEP]", *second, "[SEP]"]
    places = [place for place, token in enumerate(tokens) if token not in ("[CLS]", "[SEP]")]
    generator.shuffle(places)
    chosen = sorted(places[: min(MOST_MASKS, max(1, round(len(tokens) * MASKED_SHARE)))])
    labels = [ids[tokens[place]] for place in chosen]
    for place in chosen:
        draw = generator.random()
        if draw < 0.8:
            tokens[place] = "[MASK]"
        elif draw < 0.9:
            tokens[place] = generator.choice(ordinary)
    empty = LENGTH - len(tokens)
    spare = MOST_MASKS - len(chosen)
    values = {
        "input_ids": [ids[token] for token in tokens] + [0] * empty,
        "input_mask": [1] * len(tokens) + [0] * empty,
        "segment_ids": [0] * (len(first) + 2) + [1] * (len(second) + 1) + [0] * empty,
        "masked_lm_positions": chosen + [0] * spare,
        "masked_lm_ids": labels + [0] * spare,
        "next_sentence_labels": [int(is_random)],
    }
    example = tf.train.Example()
    for name, numbers in values.items():
        example.features.feature[name].int64_list.value.extend(numbers)
    example.features.feature["masked_lm_weights"].float_list.value.extend([1.0] * len(chosen) + [0.0] * spare)
    return bytes(example.SerializeToString())
