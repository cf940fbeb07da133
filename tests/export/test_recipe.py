"""recipes/export.py: what it writes, what it refuses, and that a refusal leaves nothing."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_mlm.errors import InputError
from keras_mlm.model_folder import save_model

ROOT = Path(__file__).parents[2]
export = runpy.run_path(str(ROOT / "recipes" / "export.py"))["export"]


@pytest.fixture(scope="module")
def saved(make_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "news"
    save_model(make_model(num_layers=1), str(folder), metrics={"perplexity": 31.4159})
    return folder


@pytest.fixture
def news(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "news"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"formats": ["saved_model,caffe"]}, "caffe: known are saved_model, tflite, onnx"),
        ({"length": 33}, "between 3 and the model's 32 positions, not 33"),
        ({"version": 0}, "version must be at least 1"),
        ({"version": 4}, "4 exists"),
        ({"version": 4, "formats": ["onnx", "saved_model"]}, "4 exists"),
        ({"model": "nowhere"}, "nowhere is no model folder"),
    ],
)
def test_what_cannot_be_exported_is_named_and_nothing_is_written(news, arguments, words):
    (news / "4").mkdir()
    before = sorted(news.rglob("*"))
    with pytest.raises(InputError, match=words):
        export(**{"model": str(news), **arguments})
    assert sorted(news.rglob("*")) == before


def test_damaged_weights_are_named(news):
    weights = news / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.weights\.h5"):
        export(model=str(news))
    assert not (news / "1").exists()


@pytest.mark.slow
def test_all_formats_get_one_number_and_a_card_each(news, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed (the extra onnx)")
    output = tmp_path / "served"
    (output / "tflite" / "6").mkdir(parents=True)
    command = [sys.executable, str(ROOT / "recipes" / "export.py"), "--model", str(news), "--output", str(output),
               "--formats", "saved_model,tflite,onnx", "--length", "16"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    folders = [output / "7", output / "tflite" / "7", output / "onnx" / "7"]
    assert done.stdout.split() == list(map(str, folders))
    for folder in folders:
        card = (folder / "README.md").read_text()
        assert "31.42" in card and "license:" in card and "| tensorflow |" in card
        assert str(tmp_path) not in card, "a card tells nothing of the machine"
    assert (output / "serving" / "models.config").is_file()
