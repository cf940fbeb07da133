"""Text in, BERT out, in one go: prepare ▶ pre-train ▶ evaluate ▶ fill masks ▶ export. `make quickstart` runs it."""

import glob
import time
from typing import Any

from keras_mlm import command_line

# What learns most in minutes on two cores: the smallest preset, short rows, a high rate.
PRESET, STYLE, LENGTH, BATCH_SIZE, LEARNING_RATE = "tiny", "short_budget", 64, 64, 4e-3
# Fewer steps know little more than which tokens are frequent: where a machine takes fewer, a step has fewer rows.
ENOUGH_STEPS, LEAST_ROWS = 2000, 16
VOCABULARY_SIZE = 8000
FILLS = 8


def quickstart(
    *, text: list[str] | None = None, output: str | None = None, minutes: float = 4.0, fresh: bool = False
) -> dict[str, Any]:
    """Turn text into a small BERT that fills masks and is exported to be served.

    Stages that are finished are reused; the same command again continues where it was stopped.

    Args:
        text: Files and folders of UTF-8 text, a blank line between documents, or of JSONL, see prepare_corpus.py; by
            default the docstrings of the installed Python and its packages, which need no network.
        output: Folder to write; by default saved_models/quickstart, or saved_models/ and the first text's name.
        minutes: Length of the training; everything else takes two minutes or three.
        fresh: Remove what an earlier quickstart left in the folder and do everything again.
    """
    from pathlib import Path

    start = time.time()
    named = text is not None and text[0] != "-" and not glob.has_magic(text[0])
    folder = output or f"saved_models/{Path(text[0]).name.split('.')[0] if text and named else 'quickstart'}"
    data = f"{folder}/data"
    if fresh:
        _remove(Path(folder))

    stage("Prepare: documents, vocabulary, records")
    manifest = prepare(text, data)

    stage(f"Pre-train a BERT of size {PRESET} for {minutes:g} minutes")
    pairs = all(split.has_pairs for split in manifest.splits.values())
    if not pairs:
        print("Without next sentences: too few documents of two sentences and more.")
    from pretrain import pretrain

    rows = rows_a_step(folder, minutes, manifest.vocabulary_size, pairs)
    metrics = pretrain(
        data=data, output=folder, preset=PRESET, style=STYLE, minutes=minutes, length=LENGTH, batch_size=rows,
        learning_rate=LEARNING_RATE * (rows / BATCH_SIZE) ** 0.5, next_sentence=pairs,
    )  # fmt: skip

    stage("Evaluate on held-out documents, beside counting words")
    from evaluate import evaluate, report

    from keras_mlm.evaluation.cloze import example_to_type
    from keras_mlm.model_folder import load_model, read_metrics, write_metrics
    from keras_mlm.report.run_report import write_report

    done = read_metrics(folder)
    if "unigram_perplexity" in done:
        print(report(done))
    else:
        metrics = evaluate(model=folder, data=data, length=LENGTH)

    stage(f"Fill the mask in {FILLS} held-out sentences; the right word stands behind")
    model = load_model(folder)
    fill_held_out(model, data)

    stage("Export for serving")
    if Path(folder, "1").is_dir():
        print(f"{folder}/1 is there already")
    else:
        from keras_mlm.export.saved_model import export_saved_model

        print(export_saved_model(model, folder))

    if "total_seconds" not in done:
        metrics = write_metrics(folder, {"total_seconds": round(time.time() - start, 1)})
    page = write_report(folder)
    again = f'make quickstart TEXT="{" ".join(text)}"' if text else "make quickstart"
    stage(f"Done in {time.time() - start:.0f} seconds")
    print(f"""\
{data}            token records, vocabulary, manifest
{folder}/run      checkpoints, settings, TensorBoard logs
{folder}          the model: config.json, model.weights.h5, vocab.txt, metrics.json, README.md
{folder}/1        the SavedModel: raw strings in, candidates out

Try it:       .venv/bin/python recipes/fill_mask.py --model {folder} "{example_to_type(model.tokenizer, data)}"
Train longer: {again} FRESH=1 MINUTES=30
See the run:  open {page} in a browser; .venv/bin/tensorboard --logdir {folder}/run/logs""")
    return metrics


def stage(title: str) -> None:
    """Print a heading."""
    print(f"\n== {title} ==", flush=True)


def prepare(text: list[str] | None, data: str) -> Any:
    """Prepare the user's text, or the docstrings of this Python, and return the manifest."""
    import os
    import platform

    from prepare_corpus import report

    from keras_mlm.data.docstrings import read_docstrings
    from keras_mlm.data.documents import read_documents
    from keras_mlm.data.left_out import LeftOut
    from keras_mlm.data.prepare_corpus import prepare_corpus
    from keras_mlm.data.text_files import describe_paths

    left_out = LeftOut()
    if text:
        documents, sources = read_documents(text, left_out=left_out), {"text": describe_paths(text)}
    else:
        documents = read_docstrings(processes=os.cpu_count() or 1)
        sources = {"docstrings": f"Python {platform.python_version()} and its packages"}
    manifest = prepare_corpus(
        documents, data, sources=sources, vocabulary_size=VOCABULARY_SIZE, exact_size=False, left_out=left_out
    )  # fmt: skip
    print(report(manifest, left_out.samples))
    return manifest


def rows_a_step(folder: str, minutes: float, vocabulary_size: int, pairs: bool) -> int:
    """Return how many rows a step has: as many as before in this folder, else so few that there are enough steps."""
    from keras_mlm.config import BertConfig, PretrainingConfig
    from keras_mlm.training.flops import flops_per_step
    from keras_mlm.training.pace import peak_flops
    from keras_mlm.training.precision import fastest_precision
    from keras_mlm.training.run_folder import RunFolder

    before = RunFolder(folder).settings()
    if before:
        return int(before["pretraining"]["batch_size"])
    model = BertConfig.from_preset(PRESET, style=STYLE, vocabulary_size=vocabulary_size, next_sentence=pairs)
    one = PretrainingConfig.from_style(STYLE, length=LENGTH, batch_size=1, minutes=minutes, next_sentence=pairs)
    # What a model of this size reaches of the products alone: a third on a fast machine, 0.6 on a slow one.
    steps_of_one = 60 * minutes * 0.4 * peak_flops(fastest_precision()) / flops_per_step(model, one)
    rows = BATCH_SIZE
    while rows > LEAST_ROWS and steps_of_one / rows < ENOUGH_STEPS:
        rows //= 2
    if rows < BATCH_SIZE:
        print(f"{rows} rows a step, as this machine would take few steps of {BATCH_SIZE} in this time.")
    return rows


def fill_held_out(model: Any, data: str) -> None:
    """Print the model's candidates for a masked word in each of some held-out sentences."""
    from keras_mlm.evaluation.cloze import cloze_questions

    questions = cloze_questions(model.tokenizer, data, sentences=FILLS)
    if not questions:
        print("No held-out sentence is long enough.")
    answers = model.fill_mask([question.text for question in questions], top_k=5)
    for question, (candidates,) in zip(questions, answers, strict=True):
        print(f"{question.text}  ({question.answer})")
        print("    " + "   ".join(f"{candidate.token} {candidate.score:.0%}" for candidate in candidates))


def _remove(folder: Any) -> None:
    """Remove a folder that a quickstart wrote, and no other."""
    import shutil

    from keras_mlm.errors import InputError

    if not folder.exists():
        return
    if not (folder / "data" / "manifest.json").exists() and not (folder / "run" / "run.json").exists():
        raise InputError(f"{folder} was not written by a quickstart: remove it yourself or choose another --output")
    shutil.rmtree(folder)


if __name__ == "__main__":
    command_line.run(quickstart)
