"""Runs recipes in this process, and the small model that they start from."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_mlm import command_line
from keras_mlm.config import BertConfig
from keras_mlm.model_folder import save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(name: str) -> Callable:
    """Return a recipe's function."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(RECIPES))  # as when it is run: quickstart imports the others
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(RECIPES))
    return getattr(module, name)


def run_recipe(name: str, *arguments: str | Path) -> int:
    """Run a recipe with the arguments of a command line and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        command_line.run(recipe(name), arguments=[str(argument) for argument in arguments])
    return ended.value.code or 0


def save_small_model(folder: Path, vocabulary: list[str]) -> Path:
    """Write a pre-trained model of one narrow layer."""
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 16, "intermediate_dim": 16, "max_sequence_length": 16}
    model = BertPretrainer(BertConfig(len(vocabulary), **sizes), tokenizer=WordPieceTokenizer(vocabulary))
    save_model(model, str(folder))
    return folder
