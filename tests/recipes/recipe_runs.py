"""Runs recipes in this process, and the small model that they start from."""

import importlib.util
import random
import string
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import keras
import pytest

from keras_mlm import command_line
from keras_mlm.config import BertConfig
from keras_mlm.data.manifest import Manifest, Split
from keras_mlm.data.record_builder import build_records
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.model_folder import save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe_module(name: str) -> ModuleType:
    """Return a recipe's module."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(RECIPES))  # as when it is run: quickstart imports the others
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(RECIPES))
    return module


def recipe(name: str) -> Callable:
    """Return a recipe's function."""
    return getattr(recipe_module(name), name)


def run_recipe(name: str, *arguments: str | Path) -> int:
    """Run a recipe with the arguments of a command line and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        command_line.run(recipe(name), arguments=[str(argument) for argument in arguments])
    return ended.value.code or 0


def save_small_model(folder: Path, vocabulary: list[str], *, seed: int = 0, **entries: object) -> Path:
    """Write a model of one narrow layer, or of other sizes, with weights that no earlier test has a part in."""
    keras.utils.set_random_seed(seed)
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 16, "intermediate_dim": 16, "max_sequence_length": 16}
    config = BertConfig(len(vocabulary), **{**sizes, **entries})
    save_model(BertPretrainer(config, tokenizer=WordPieceTokenizer(vocabulary)), str(folder))
    return folder


def write_corpus(folder: Path, words: list[str]) -> str:
    """Write a prepared corpus of 40 documents of four sentences of these words."""
    folder.mkdir()
    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, *string.ascii_lowercase, *words])
    tokenizer.save(str(folder))
    generator = random.Random(0)
    splits = {}
    for split, documents in (("training", 40), ("validation", 10)):
        text = [(n, [" ".join(generator.choices(words, k=8)) for _ in range(4)]) for n in range(documents)]
        with ShardWriter(str(folder), split, "uint16", shard_bytes=4000) as writer:
            for record in build_records(text, tokenizer):
                writer.write(record)
        splits[split] = Split(documents, 4 * documents, 32 * documents, writer.shards)
    manifest = Manifest("uint16", tokenizer.vocabulary_size, tokenizer.vocabulary_hash, "fast", {}, splits, {})
    manifest.save(str(folder))
    return str(folder)
