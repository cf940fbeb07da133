"""The whole path in one go, on a small text: what it leaves, what it reuses, what it refuses."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recipe_runs import recipe_module

from keras_mlm.training.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
NOUNS = ["river", "bridge", "garden", "window", "captain", "letter", "winter", "market", "teacher", "engine"]
VERBS = ["follows", "crosses", "watches", "leaves", "finds", "paints", "sells", "carries"]


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "recipes" / "quickstart.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_what_it_prepares_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "recipes")
    lines = [f"{a} {verb} {b}" for a in NOUNS for verb in VERBS for b in NOUNS]
    (tmp_path / "text.txt").write_text("\n\n".join([*lines, lines[3]]), encoding="utf-8")
    manifest = recipe_module("quickstart").prepare([str(tmp_path / "text.txt")], str(tmp_path / "data"))
    assert manifest.splits["training"].documents + manifest.splits["validation"].documents == len(lines)
    assert f"Duplicate documents: 1\n    {tmp_path / 'text.txt'}, line 1601: {lines[3]}" in capsys.readouterr().out


@pytest.mark.parametrize(("flops", "minutes", "rows"), [(450e9, 4, 64), (450e9, 1, 32), (80e9, 4, 16), (1e9, 1, 16)])
def test_a_slow_machine_takes_smaller_steps_and_keeps_to_them(tmp_path, monkeypatch, flops, minutes, rows):
    rows_a_step = recipe_module("quickstart").rows_a_step
    monkeypatch.setattr("keras_mlm.training.pace.peak_flops", lambda _: flops)
    assert rows_a_step(str(tmp_path), minutes, 8000, True) == rows
    RunFolder(str(tmp_path)).begin({"pretraining": {"batch_size": 48}})
    assert rows_a_step(str(tmp_path), minutes, 8000, True) == 48


@pytest.mark.slow
def test_text_in_bert_out_and_the_second_time_nothing_is_done_again(tmp_path):
    sentences = [f"the {a} {verb} the {b} ." for a in NOUNS for verb in VERBS for b in NOUNS]
    documents = ["\n".join(sentences[start::160]) for start in range(160)]
    (tmp_path / "text.txt").write_text("\n\n".join(documents), encoding="utf-8")
    folder = tmp_path / "model"
    arguments = ("--text", tmp_path / "text.txt", "--output", folder, "--minutes", 0.3)
    first = run(*arguments).stdout
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"perplexity", "unigram_perplexity", "masked_lm_accuracy", "next_sentence_accuracy", "tokens_per_second",
            "seconds", "total_seconds"} <= metrics.keys()  # fmt: skip
    # It has learned something, however few steps a busy machine does in so short a time.
    assert metrics["perplexity"] < len((folder / "vocab.txt").read_text().splitlines())
    assert first.count("[MASK]") >= 8
    assert (folder / "1" / "saved_model.pb").is_file()

    weights = (folder / "model.weights.h5").read_bytes()
    start = time.monotonic()
    second = run(*arguments).stdout
    assert time.monotonic() - start < 40  # 20 on a machine that does nothing else
    assert "is finished" in second and "is there already" in second
    assert (folder / "model.weights.h5").read_bytes() == weights
    assert json.loads((folder / "metrics.json").read_text()) == metrics


@pytest.mark.slow
def test_documents_of_one_sentence_train_without_pairs_and_a_failure_leaves_no_folder(tmp_path):
    lines = [f"{a} {verb} {b}" for a in NOUNS for verb in VERBS for b in NOUNS]
    (tmp_path / "text.txt").write_text("\n\n".join(lines), encoding="utf-8")
    done = run("--text", tmp_path / "text.txt", "--output", tmp_path / "model", "--minutes", 0.5)
    assert "Without next sentences" in done.stdout and "No held-out sentence is long enough" in done.stdout
    assert "next_sentence_accuracy" not in json.loads((tmp_path / "model" / "metrics.json").read_text())

    (tmp_path / "one.txt").write_text("one document only", encoding="utf-8")
    assert "two are the least" in run("--text", tmp_path / "one.txt", "--output", tmp_path / "new", code=2).stderr
    assert not (tmp_path / "new").exists()
