import importlib
import os
import sys

import pytest

from keras_mlm.data import unused_packages
from keras_mlm.data.unused_packages import unused_packages_left_out


def test_packages_are_left_out_inside_only(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    # What is loaded already stays.
    monkeypatch.setattr(unused_packages, "UNUSED_PACKAGES", ("colorsys", "json"))
    with unused_packages_left_out():
        assert importlib.import_module("json").dumps([1]) == "[1]"
        with pytest.raises(ModuleNotFoundError, match="colorsys"):
            importlib.import_module("colorsys")
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 1)[2] == 1
