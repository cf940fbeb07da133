"""What every test shares: quiet TensorFlow, and the real text beside the checkout where there is some."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real text, or a skip that says that it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED.name} of real text beside the checkout")
    return SHARED
