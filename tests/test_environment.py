import os
import subprocess
import sys

import pytest

from keras_mlm import environment
from keras_mlm.errors import InputError

GOOD = {"keras": "3.15.1", "tensorflow": "2.21.0", "tensorflow-text": "2.21.1"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The versions that seem to be installed; a test changes them."""
    versions = dict(GOOD)

    def version(package: str) -> str:
        if package not in versions:
            raise environment.importlib.metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(environment.importlib.metadata, "version", version)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    return versions


def complaint(**arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        environment.check_environment(**arguments)
    message = str(caught.value)
    assert "\n" not in message and "run `" in message, "one line, and the way out"
    return message


def test_what_is_installed_here_passes():
    environment.check_environment()


def test_a_good_environment_passes_and_the_backend_is_fixed(installed):
    environment.check_environment()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_another_backend_is_named_with_the_command_that_mends_it(installed, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert "'jax'" in complaint() and "export KERAS_BACKEND=tensorflow" in complaint()
    del installed["tensorflow"], installed["tensorflow-text"]
    environment.check_environment("jax")  # needs no TensorFlow


@pytest.mark.parametrize("value", ["1", "True", "true"])
def test_keras_2_is_refused(installed, monkeypatch, value):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
    assert "unset TF_USE_LEGACY_KERAS" in complaint()


def test_keras_2_switched_off_is_no_problem(installed, monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    environment.check_environment()


@pytest.mark.parametrize("version", ["3.14.9", "2.15.0", "3.9.0"])
def test_an_old_keras_is_refused(installed, version):
    installed["keras"] = version
    assert f"keras {version}" in complaint() and "'keras>=3.15'" in complaint()


@pytest.mark.parametrize("version", ["3.15.0", "3.16rc1", "4.0.0"])
def test_a_newer_keras_passes(installed, version):
    installed["keras"] = version
    environment.check_environment()


def test_a_pair_that_does_not_match_is_refused(installed):
    installed["tensorflow-text"] = "2.20.0"
    assert "tensorflow 2.21.0 and tensorflow-text 2.20.0" in complaint()
    assert "'tensorflow-text==2.21.*'" in complaint()


@pytest.mark.parametrize("package", sorted(GOOD))
def test_a_missing_package_is_named(installed, package):
    del installed[package]
    assert f"pip install {package}" in complaint()


def in_a_new_process(code: str) -> subprocess.CompletedProcess:
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "ABSL"))}
    return subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=120, check=False
    )


def test_tensorflow_is_imported_without_banners_but_errors_are_heard():
    done = in_a_new_process(
        "from keras_mlm.environment import quiet_tensorflow\n"
        "quiet_tensorflow(); quiet_tensorflow()\n"
        "import tensorflow, sys\n"
        "assert tensorflow.__spec__.name == 'tensorflow'\n"
        "sys.stderr.write('heard')"
    )
    assert (done.returncode, done.stderr) == (0, "heard")


def test_a_failing_import_still_has_its_traceback(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('broken library')")
    done = in_a_new_process(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from keras_mlm.environment import quiet_tensorflow\n"
        "quiet_tensorflow()\n"
        "import tensorflow"
    )
    assert done.returncode == 1 and "broken library" in done.stderr


def test_freed_memory_is_kept_for_the_next_tensor():
    """Pages that come anew from the system for five tensors of 40 MB: all 200 MB of them where nothing is kept."""
    done = in_a_new_process(
        "import resource\n"
        "from keras_mlm.environment import keep_freed_memory, quiet_tensorflow\n"
        "quiet_tensorflow(); keep_freed_memory()\n"
        "import tensorflow as tf\n"
        "pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "tf.ones(10_000_000)\n"
        "before = pages()\n"
        "for number in range(5):\n"
        "    tf.fill(10_000_000, float(number))\n"
        "print((pages() - before) * resource.getpagesize() >> 20)"
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20, f"{done.stdout.strip()} MB were taken from the system anew"


def test_what_the_user_says_about_memory_stands(monkeypatch):
    monkeypatch.setenv("TF_CPU_ALLOCATOR_USE_BFC", "false")
    monkeypatch.delenv("TF_CPU_BFC_MEM_LIMIT_IN_MB", raising=False)
    environment.keep_freed_memory()
    assert os.environ["TF_CPU_ALLOCATOR_USE_BFC"] == "false"
    assert int(os.environ["TF_CPU_BFC_MEM_LIMIT_IN_MB"]) >= 64 << 10, "never less than TensorFlow's own limit"


LEAN = """
import os, sys
sys.path.insert(0, os.environ["STAND_INS"])
from keras_mlm.environment import leave_out_unused_packages, quiet_tensorflow
quiet_tensorflow(); leave_out_unused_packages(); leave_out_unused_packages()
import {first}
assert not {{"jax", "matplotlib", "pandas", "scipy", "sklearn"}} & set(sys.modules), sorted(sys.modules)
import pandas, keras, tensorflow
assert pandas.there and keras.backend.backend() == "tensorflow" and {first}.__spec__.name == "{first}"
sys.stderr.write("heard")
"""


@pytest.mark.parametrize("first", ["keras", "tensorflow"])
def test_unused_packages_are_not_loaded_with_tensorflow_but_can_be_afterwards(tmp_path, monkeypatch, first):
    for name in ("jax", "matplotlib", "pandas", "scipy", "sklearn"):
        (tmp_path / f"{name}.py").write_text("there = True")
    monkeypatch.setenv("STAND_INS", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = in_a_new_process(LEAN.format(first=first))
    assert (done.returncode, done.stderr) == (0, "heard")


def test_what_is_loaded_already_is_not_hidden(tmp_path):
    (tmp_path / "keras.py").write_text("import pandas")
    (tmp_path / "pandas.py").write_text("")
    done = in_a_new_process(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import pandas\n"
        "from keras_mlm.environment import leave_out_unused_packages\n"
        "leave_out_unused_packages()\n"
        "import keras"
    )
    assert done.returncode == 0, done.stderr
