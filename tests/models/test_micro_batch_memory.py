"""Micro-batches are for batches whose activations do not fit: that they need less memory is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("peak_memory.py")


def peak(*arguments) -> float:
    """Return the most megabytes that a process of its own had in memory."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("style", "strategy"), [("classic", "default"), ("modern", "default")])
def test_eight_micro_batches_need_much_less_memory_than_one(style, strategy):
    one = peak("small", style, strategy, 64, 1, "keep")
    eight = peak("small", style, strategy, 64, 8, "keep")
    # The rest is TensorFlow itself, weights, moments and gradients: as much as a step of an eighth of the rows needs.
    assert eight < 0.65 * one, (one, eight)
