"""Small corpora that no other file of the repository is needed for; lets the tests here import `record_corpus`."""

import random
import string
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_mlm.data.documents import Document
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

sys.path.insert(0, str(Path(__file__).parent))


def sentence(generator: random.Random, words: int = 10) -> str:
    """A sentence of made-up words, with a capital and a full stop."""
    letters = ["".join(generator.choices("abcdeilnorst", k=generator.randint(1, 7))) for _ in range(words)]
    return " ".join(letters).capitalize() + "."


@pytest.fixture
def make_documents() -> Callable[..., list[Document]]:
    """A function that makes documents of made-up sentences, the same for the same seed."""

    def make(count: int, sentences: int = 4, seed: int = 0) -> list[Document]:
        generator = random.Random(seed)
        return [
            Document("made", number, [sentence(generator) for _ in range(sentences)]) for number in range(1, count + 1)
        ]

    return make


@pytest.fixture
def vocabulary() -> list[str]:
    """A vocabulary that spells every lower-case word letter by letter."""
    letters = string.ascii_lowercase + string.digits
    return [
        *SPECIAL_TOKENS,
        *letters,
        *("##" + letter for letter in letters),
        *".,!?:;'",
        *"我们学习中文。",
        "the",
        "##er",
    ]


@pytest.fixture
def write_text(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """A function that writes a file into the test's folder and returns its path."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write
