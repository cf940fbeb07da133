"""Every signature in processes that have never seen this package: the TF 1 loader's and TF Serving's own in C++."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

HERE = Path(__file__).parent
LENGTH = 16
TEXTS = [b"Paris is the [MASK] of France .", "[MASK] 中 [MASK]".encode(), b"", b"\xff the unknownword", b"the " * 99]
IDS = np.array([[2, 5, 4, 7, 3, *[0] * 11], [2, 4, 3, *[0] * 13]], "int32")
ROW = {"token_ids": IDS, "segment_ids": np.zeros_like(IDS), "padding_mask": (IDS > 0).astype("int32")}


def requests_of(served):
    """What every signature is asked: odd texts, or rows of ids."""
    texts = {"text": TEXTS, "text_a": TEXTS, "text_b": TEXTS[::-1]}
    return {
        name: {key: texts[key] if key in texts else ROW[key] for key in signature.structured_input_signature[1]}
        for name, signature in served.signatures.items()
    }


def answers_of(served):
    return {
        f"{name}/{key}": value
        for name, inputs in requests_of(served).items()
        for key, value in served(name, **inputs).items()
    }


def check(answers, expected):
    assert answers.keys() == expected.keys()
    for key, value in expected.items():
        if value.dtype == np.float32:
            np.testing.assert_allclose(answers[key], value, rtol=1e-5, atol=1e-5, err_msg=key)
        else:
            assert answers[key].tolist() == value.tolist(), key


def test_a_new_process_and_the_tf1_loader_run_it(exported, served, tmp_path):
    """The TF 1 loader finds variables by name, as TF Serving's does: what only Python can restore fails here."""
    run_in_a_new_process(exported, served, tmp_path)


@pytest.mark.slow
def test_a_new_process_and_the_tf1_loader_run_a_classifier(exported_classifier, served_classifier, tmp_path):
    run_in_a_new_process(exported_classifier, served_classifier, tmp_path)


@pytest.mark.slow
def test_a_new_process_and_the_tf1_loader_run_a_tagger(exported_tagger, served_tagger, tmp_path):
    run_in_a_new_process(exported_tagger, served_tagger, tmp_path)


def run_in_a_new_process(exported, served, tmp_path):
    requests = {
        f"{name}/{key}": np.array(value)
        for name, inputs in requests_of(served).items()
        for key, value in inputs.items()
    }
    np.savez(tmp_path / "requests.npz", **requests)
    command = [sys.executable, HERE / "run_signatures.py", exported, "requests.npz", "answers.npz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    check(dict(np.load(tmp_path / "answers.npz")), answers_of(served))


@pytest.mark.slow
def test_without_tensorflow_text_the_error_is_the_one_that_the_card_explains(exported, tmp_path):
    program = f"import tensorflow as tf; tf.saved_model.load({str(exported)!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode and "Op type not registered" in done.stderr
    card = (exported / "README.md").read_text()
    assert "Without `import tensorflow_text`" in card and "`Op type not registered`" in card


@pytest.fixture(scope="session")
def loader(pytestconfig) -> list[str]:
    """The C++ program and what it must open, compiled once for each TensorFlow."""
    import tensorflow_text

    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler: TF Serving's loader was not run, the TF 1 loader was")
    source = HERE / "run_signatures.cc"
    program = pytestconfig.cache.mkdir("run_signatures") / f"run_signatures-{tf.__version__}"
    library = Path(tf.sysconfig.get_lib())
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        half = program.with_suffix(".half")
        libraries = [f"-l:{path.name}" for path in sorted(library.glob("libtensorflow_*.so.2"))]
        command = [compiler, "-O1", "-std=c++17", *tf.sysconfig.get_compile_flags(), source, "-o", half,
                   f"-L{library}", f"-Wl,-rpath,{library}", "-Wl,--no-as-needed", *libraries, "-ldl"]  # fmt: skip
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        half.rename(program)
    operations = sorted(Path(tensorflow_text.__file__).parent.glob("python/ops/_*.so"))
    return [str(program), *map(str, operations)]


@pytest.mark.slow
def test_tf_servings_own_loader_runs_it(exported, served, loader, tmp_path):
    run_in_cpp(exported, served, loader, tmp_path)


@pytest.mark.slow
def test_tf_servings_own_loader_runs_a_classifier(exported_classifier, served_classifier, loader, tmp_path):
    run_in_cpp(exported_classifier, served_classifier, loader, tmp_path)


@pytest.mark.slow
def test_tf_servings_own_loader_runs_a_tagger(exported_tagger, served_tagger, loader, tmp_path):
    run_in_cpp(exported_tagger, served_tagger, loader, tmp_path)


def run_in_cpp(exported, served, loader, tmp_path):
    program, *operations = loader
    for name, inputs in requests_of(served).items():
        (tmp_path / "requests" / name).mkdir(parents=True)
        for key, value in inputs.items():
            proto = tf.make_tensor_proto(value)
            (tmp_path / "requests" / name / key).write_bytes(proto.SerializeToString())
    command = [program, exported, tmp_path / "requests", tmp_path / "answers", *operations]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = {}
    for path in (tmp_path / "answers").glob("*/*"):
        value = tf.make_ndarray(tensor_pb2.TensorProto.FromString(path.read_bytes()))
        answers[f"{path.parent.name}/{path.name}"] = value
    check(answers, answers_of(served))
