import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import keras_mlm

PACKAGE = Path(keras_mlm.__file__).parent
NAMES = [name for name in keras_mlm.__all__ if name != "__version__"]


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


def test_import_loads_neither_tensorflow_nor_keras_and_is_quick():
    loaded = in_a_new_process(
        "import sys, time\n"
        "begun = time.perf_counter()\n"
        "import keras_mlm\n"
        "print(time.perf_counter() - begun)\n"
        "dir(keras_mlm), keras_mlm.BertConfig.from_preset('mini', vocabulary_size=100), keras_mlm.InputError\n"
        "print(*sorted(set(sys.modules) & {'tensorflow', 'tensorflow_text', 'keras', 'keras_hub', 'numpy'}))"
    ).split("\n")
    assert float(loaded[0]) < 0.3
    assert loaded[1] == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_what_its_module_defines(name):
    value = getattr(keras_mlm, name)
    assert value.__name__ == name
    assert value.__module__ == keras_mlm._MODULES[name], "the name comes from the module that defines it"
    assert getattr(keras_mlm, name) is value


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_contract(name):
    documentation = inspect.getdoc(getattr(keras_mlm, name)) or ""
    first = documentation.split("\n\n")[0]
    assert first.rstrip().endswith("."), f"{name} begins with a sentence"


def test_the_stub_lists_the_same_names_from_the_same_modules():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    imported = {
        alias.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == keras_mlm._MODULES


def test_dir_and_star_import_offer_the_public_names():
    assert set(NAMES) <= set(dir(keras_mlm))
    assert in_a_new_process("from keras_mlm import *; print(BertConfig.__name__)").strip() == "BertConfig"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="BertPretainer"):
        keras_mlm.BertPretainer  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("keras_mlm.bert")


def test_subfolders_are_imported_from_their_files():
    for init in PACKAGE.rglob("*/__init__.py"):
        assert init.read_text() == "", f"{init.parent.name}/__init__.py stays empty"
