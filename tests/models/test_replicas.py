import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def result():
    script = Path(__file__).with_name("two_replicas.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_replicas_learn_what_one_device_learns(result):
    assert result["replicas"] == 2
    assert result["weights"] < 1e-5 and result["moved"] > 0.1
    one, two = result["logs"]
    assert len(one) == len(two) == 10
    for before, after in zip(one, two, strict=True):
        assert set(before) == set(after)
        for name in before:
            np.testing.assert_allclose(after[name], before[name], rtol=1e-5, err_msg=name)


def test_two_replicas_evaluate_as_one_device(result):
    one, two = result["evaluated"]
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, err_msg=name)


def test_dropout_differs_between_replicas_and_steps(result):
    assert 0.4 < result["equal_masks_of_replicas"] < 0.6
    assert 0.4 < result["equal_masks_of_steps"] < 0.6
