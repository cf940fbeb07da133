"""The wheel in an empty environment outside the checkout: the README's tutorial and a recipe run on it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command that sees neither the checkout nor the running environment."""
    settings = {name: os.environ[name] for name in os.environ if not name.startswith(("PYTHON", "VIRTUAL_ENV", "TF_"))}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=settings, capture_output=True, text=True,
                          timeout=1800)  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("keras_mlm-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment that holds the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    call(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    interpreter = folder / "bin" / "python"
    call(interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint",
         ROOT / "constraints.txt", wheel, cwd=folder.parent)  # fmt: skip
    yield interpreter
    shutil.rmtree(folder)  # 2.5 GB


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if name.startswith("keras_mlm/")}
    assert {"keras_mlm/py.typed", "keras_mlm/__init__.pyi", "keras_mlm/config.py"} <= package
    assert all(".dist-info/" in name for name in set(names) - package)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_is_installed_outside_the_checkout_and_fits_together(python, tmp_path):
    place = call(python, "-c", "import keras_mlm; print(keras_mlm.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(python.parents[1])
    call(python, "-m", "pip", "check", cwd=tmp_path)


def test_the_readmes_tutorial_runs_top_to_bottom(python, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "tutorial.py").write_text("\n".join(blocks))
    call(python, "tutorial.py", cwd=tmp_path)
    assert (tmp_path / "saved_models/tutorial/1/saved_model.pb").is_file()


def test_a_recipe_runs_on_it(python, tmp_path):
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    text = "\n\n".join(f"Sentence number {n} comes first .\nThen the text goes on for {n} words ." for n in range(400))
    (tmp_path / "text.txt").write_text(text)
    call(python, "recipes/prepare_corpus.py", "--text", "text.txt", "--output", "corpus", "--vocabulary-size", "80",
         cwd=tmp_path)  # fmt: skip
    assert (tmp_path / "corpus/manifest.json").is_file()
