"""Which versions of TensorFlow load an export and answer alike: each in a throw-away environment of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from keras_mlm import command_line

# Serving's versions are those of the TensorFlow in them; up to 2.19.1 its tensorflow-text is that of 2.12.
PAIRS = {"2.12.1": "2.12.1", "2.15.1": "2.15.0", "2.19.1": "2.19.0", "2.21.0": "2.21.1"}
RUNNER = Path(__file__).parents[2] / "tests" / "export" / "run_signatures.py"
TOLERANCE = 1e-5
KINDS = ("fast", "bert", "classifier", "tagger")
ODD = [
    "", "\t", "[MASK]" * 12, "the capital " * 300, "Ünïcödé ﬁ ß Ｆｕｌｌ", "北京是中国的[MASK]都。", "x" * 500,
    "😀 [mask]",
]  # fmt: skip


def old_servers(*, json: str | None = None, work: str = "saved_models/old_servers") -> None:
    """Run every signature of an export of each kind under each version, and compare with this environment.

    `fast` and `bert` are pre-trained models with either normalization.

    Strings, integers and booleans must be the same, floats within 1e-5 (relative for large ones). Environments are
    made once and take about 2 GB each.

    Args:
        json: File to write the rows to.
        work: Folder for exports and environments.
    """
    import json as json_module

    from keras_mlm.text_table import text_table

    requests = {name: _export(f"{work}/{name}", name) for name in KINDS}
    expected = {name: _answers(sys.executable, f"{work}/{name}", request) for name, request in requests.items()}
    rows: list[dict[str, Any]] = []
    for tensorflow, text in PAIRS.items():
        row: dict[str, Any] = {"tensorflow": tensorflow, "tensorflow_text": text}
        try:
            python = _environment(f"{work}/{tensorflow}", tensorflow, text)
            for name, request in requests.items():
                row[name] = _difference(_answers(python, f"{work}/{name}", request), expected[name])
        except RuntimeError as error:
            row["failed"] = str(error)
        rows.append(row)
        print(row, flush=True)
    print(text_table(["TensorFlow", "tensorflow-text", *KINDS],
                     [[row["tensorflow"], row["tensorflow_text"], *(row.get(name, "failed") for name in KINDS)]
                      for row in rows]))  # fmt: skip
    if json:
        with open(json, "w") as file:
            signatures = {name: sorted({key.split("/")[0] for key in expected[name]}) for name in KINDS}
            json_module.dump({"signatures": signatures, "rows": rows}, file, indent=2)


def _export(folder: str, kind: str) -> str:
    """A small model of each kind and style as a SavedModel, and its requests; returns the requests' path."""
    import keras
    import numpy as np

    from keras_mlm import (
        BertConfig,
        BertPretrainer,
        BertTextClassifier,
        BertTokenClassifier,
        ExportOptions,
        WordPieceTokenizer,
        export_saved_model,
    )
    from keras_mlm.export.signatures_of import on_server
    from keras_mlm.export.tokenizer_strings import tokenizer_strings
    from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary

    keras.utils.set_random_seed(7)
    normalization: Any = "bert" if kind == "bert" else "fast"
    vocabulary = learn_vocabulary(tokenizer_strings(), 400, exact=False, normalization=normalization).vocabulary
    style = "classic" if kind == "bert" else "short_budget"
    config = BertConfig.from_preset("tiny", style=style, vocabulary_size=len(vocabulary), initializer_range=0.2)
    tokenizer = WordPieceTokenizer(vocabulary, normalization=normalization)
    model: Any
    if kind == "classifier":
        model = BertTextClassifier(config, ["a", "b", "c"], tokenizer, length=32, long_text="windows", temperature=1.5)
    elif kind == "tagger":
        model = BertTokenClassifier(config, ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"], tokenizer, length=32)
    else:
        model = BertPretrainer(config, tokenizer=tokenizer)
    options = ExportOptions(length=32, version=1)
    if not Path(folder, "1").exists():
        export_saved_model(model, folder, options)
    arrays = {}
    for number, signature in enumerate(on_server(model, options).all()):
        batch = signature.example(4)
        for name in ["serving_default", signature.name] if number == 0 else [signature.name]:
            for key, value in batch.items():
                odd = [text.encode() for text in (ODD if key != "text_b" else ODD[::-1])]
                strings = [*(item.encode() for item in value), *odd] if value.dtype == object else None
                arrays[f"{name}/{key}"] = value if strings is None else np.array(strings)
    path = f"{folder}/requests.npz"
    np.savez(path, **arrays)
    return path


def _environment(folder: str, tensorflow: str, text: str) -> str:
    """The Python of an environment with one pair of versions."""
    python = f"{folder}/bin/python"
    if not Path(folder, "installed").exists():
        _run(sys.executable, "-m", "venv", folder)
        _run(python, "-m", "pip", "install", "--quiet", f"tensorflow=={tensorflow}", f"tensorflow-text=={text}")
        Path(folder, "installed").touch()
    return python


def _answers(python: str, folder: str, requests: str) -> dict[str, Any]:
    import numpy as np

    _run(python, str(RUNNER), f"{folder}/1", requests, f"{folder}/answers.npz")
    return dict(np.load(f"{folder}/answers.npz"))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(done.stderr.strip().splitlines()[-1:])[:300] or f"{command[0]} failed")


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest difference of a float, relative above 1; an error where anything else differs."""
    import numpy as np

    largest = 0.0
    for key, value in expected.items():
        if value.dtype.kind == "f":
            largest = max(largest, float((np.abs(found[key] - value) / np.maximum(1, np.abs(value))).max()))
        elif not np.array_equal(found[key], value):
            raise RuntimeError(f"{key} differs")
    if largest > TOLERANCE:
        raise RuntimeError(f"differs by {largest:.1e}")
    return largest


if __name__ == "__main__":
    command_line.run(old_servers)
