"""Lets the tests of this folder import `checkpoints`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from checkpoints import CONFIG, PARTS, random_tensors, write_folder


@pytest.fixture
def pretraining_folder(tmp_path):
    """A folder of a whole BertForPreTraining and its tensors."""
    tensors = random_tensors(CONFIG, PARTS["BertForPreTraining"])
    return write_folder(tmp_path / "bert", tensors, architecture="BertForPreTraining"), tensors
