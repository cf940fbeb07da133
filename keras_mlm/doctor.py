"""Says what of the package works here, and how to mend what does not: `python -m keras_mlm.doctor [--json]`."""

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.environment import check_environment, quiet_tensorflow
from keras_mlm.errors import InputError

PACKAGES = ("keras-mlm", "tensorflow", "tensorflow-text", "keras", "keras-nlp", "tokenizers", "tensorboard", "numpy")
REINSTALL = "python -m pip install --constraint constraints.txt --editable ."


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        check: str, what was tried.
        state: `"ok"`, `"limited"` (something is missing that not everybody needs) or `"broken"`.
        found: str, what was seen.
        fix: str, what to do; empty where nothing needs to be done. Defaults to `""`.
    """

    check: str
    state: str
    found: str
    fix: str = ""


def diagnose() -> list[Finding]:
    """Run all checks and return their findings, in the order of what needs what; the first broken ones matter most.

    Returns:
        List of `Finding`.

    Example:
        ```python
        broken = [finding for finding in diagnose() if finding.state == "broken"]
        ```
    """
    checks: list[tuple[str, Callable[[], Finding], str]] = [
        ("python", _python, REINSTALL),
        ("packages", _packages, REINSTALL),
        ("environment", _environment, "follow the message"),
        ("devices", _devices, REINSTALL),
        ("precision", _precision, "take --precision float32"),
        ("XLA", _xla, "train without jit_compile"),
        ("training step", _training_step, f"report it with this output, or start afresh: {REINSTALL}"),
        ("export and reload", _export, f"report it with this output, or start afresh: {REINSTALL}"),
    ]
    findings = []
    for name, check, fix in checks:
        try:
            findings.append(check())
        except InputError as error:
            findings.append(Finding(name, "broken", " ".join(str(error).split(":")[0].split()), _after_colon(error)))
        except Exception as error:  # a doctor reports what it finds, whatever that is
            findings.append(
                Finding(name, "broken", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", fix)
            )
    return findings


def _after_colon(error: Exception) -> str:
    return str(error).partition(":")[2].strip() or str(error)


def _python() -> Finding:
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Finding("python", "ok", f"{platform.python_version()} on {machine}")


def _packages() -> Finding:
    versions, missing = [], []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding("packages", "broken", f"not installed: {', '.join(missing)}", REINSTALL)
    return Finding("packages", "ok", ", ".join(versions))


def _environment() -> Finding:
    check_environment()
    return Finding("environment", "ok", "TensorFlow and tensorflow-text are a pair, Keras runs on TensorFlow")


def _devices() -> Finding:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    tpus = tf.config.list_physical_devices("TPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    if gpus or tpus:
        return Finding("devices", "ok", ", ".join([*names, *(tpu.name for tpu in tpus)]))
    nvidia = os.path.exists("/proc/driver/nvidia/version")  # noqa: PTH110  no path to build
    if nvidia:
        fix = "there is an NVIDIA driver, but TensorFlow finds no GPU: pip install 'keras-mlm[gpu]'"
        return Finding("devices", "limited", "CPU only", fix)
    return Finding("devices", "ok", "CPU")


def _precision() -> Finding:
    import tensorflow as tf

    from keras_mlm.training.precision import fastest_precision

    seconds = {}
    for name in ("float32", "bfloat16", "float16"):
        x = tf.cast(tf.random.normal((512, 512)), name)
        (x @ x).numpy()
        begin = time.perf_counter()
        for _ in range(4):
            y = x @ x
        y.numpy()
        seconds[name] = time.perf_counter() - begin
    ratios = {name: seconds["float32"] / seconds[name] for name in ("bfloat16", "float16")}
    found = ", ".join(f"{name} at {ratio:.1f} × the speed of float32" for name, ratio in ratios.items())
    best = max(ratios, key=lambda name: ratios[name])
    if ratios[best] > 1.3 and tf.config.list_physical_devices("GPU"):
        return Finding("precision", "ok", f"products in {found}", f"--precision mixed_{best} trains faster")
    taken = fastest_precision().removeprefix("mixed_")
    return Finding("precision", "ok", f"products in {found}; recipes/pretrain.py takes {taken}")


def _xla() -> Finding:
    import tensorflow as tf

    compiled = tf.function(lambda x: tf.nn.softmax(x) * 2, jit_compile=True)
    compiled(tf.ones((2, 3)))
    return Finding("XLA", "ok", "compiles")


def _model() -> tuple[Any, dict[str, Any]]:
    import numpy as np

    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    tokenizer = WordPieceTokenizer([*SPECIAL_TOKENS, *"abcdefgh", "red", "sea"])
    model = BertPretrainer(BertConfig(tokenizer.vocabulary_size, 1, 2, 16, 32, 16), tokenizer=tokenizer)
    ids = np.full((4, 8), 7, "int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids > 0, "mask_positions": ids[:, :2] - 5}
    return model, x


def _training_step() -> Finding:
    import numpy as np
    import tensorflow as tf

    from keras_mlm.training.optimizers import optimizer_from

    model, x = _model()
    model.compile(optimizer_from(PretrainingConfig(steps=3, learning_rate=1e-2)))
    labels = {"masked_lm": np.full((4, 2), 9, "int32"), "next_sentence": np.zeros(4, "int32")}
    weights = {"masked_lm": np.ones((4, 2), "float32"), "next_sentence": np.ones(4, "float32")}
    begin = time.perf_counter()
    batches = tf.data.Dataset.from_tensors((x, labels, weights)).repeat(3)
    model.fit(batches, verbose=0, shuffle=False)
    first, last = model.evaluate(batches.take(1), verbose=0, return_dict=True)["loss"], time.perf_counter() - begin
    if not np.isfinite(first):
        return Finding("training step", "broken", f"the loss is {first}", REINSTALL)
    return Finding("training step", "ok", f"three steps in {last:.1f} s")


def _export() -> Finding:
    import tensorflow as tf

    from keras_mlm.export.export_options import ExportOptions
    from keras_mlm.export.saved_model import export_saved_model

    model, _ = _model()
    with tempfile.TemporaryDirectory() as folder:
        path = export_saved_model(model, folder, ExportOptions(length=8, mask_slots=2))
        served = tf.saved_model.load(path).signatures["fill_mask"]
        tokens = served(text=tf.constant(["red [MASK]"]))["tokens"]
    return Finding("export and reload", "ok", f"a SavedModel answers with {tokens.shape[-1]} candidates")


def main(arguments: list[str] | None = None) -> int:
    """Print the findings as lines or, with `--json`, as JSON; return 1 if something is broken."""
    parser = argparse.ArgumentParser(prog="python -m keras_mlm.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    options = parser.parse_args(arguments)
    quiet_tensorflow()
    findings = diagnose()
    if options.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2) + "\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{finding.state:<8} {finding.check}: {finding.found}\n")
            if finding.fix:
                sys.stdout.write(f"         -> {finding.fix}\n")
    return int(any(finding.state == "broken" for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
