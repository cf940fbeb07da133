import json

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
from tiny_run import fit, tiny_model

from keras_mlm.errors import InputError
from keras_mlm.models.candidate import Candidate
from keras_mlm.training import training_samples
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_samples import TAG, TrainingSamples, read_samples

# The separator U+2028 ends a line for Python and not for JSON.
QUESTIONS = [("a [MASK] sat\u2028 | down .", "cat"), ("the * is [MASK] .", "##red")]


def run(folder, steps, *, every_steps=3, budget=None, score=0.25, questions=QUESTIONS):
    model, budget = tiny_model(), budget or TrainingBudget(steps=steps, learning_rate=0.1)
    steps_asked = []

    def fill_mask(texts, top_k):
        steps_asked.append(budget.step)
        return [[[Candidate("cat", score), *[Candidate("dog", score / 2)] * (top_k - 1)]] for _ in texts]

    model.fill_mask = fill_mask
    path = tf.io.gfile.join(str(folder), "samples.jsonl")
    samples = TrainingSamples(path, str(folder), budget, questions, every_steps=every_steps, top_k=2)
    fit(model, [budget, samples])
    return path, steps_asked


def test_a_line_every_few_steps_and_one_of_the_last(tmp_path):
    path, asked = run(tmp_path, 7)
    assert asked == [3, 6, 7]
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().split("\n")[:-1]]
    assert lines == read_samples(path) and [line["step"] for line in lines] == [3, 6, 7]
    assert 0 < lines[0]["seconds"] <= lines[2]["seconds"]
    candidates = [{"token": "cat", "score": 0.25}, {"token": "dog", "score": 0.125}]
    assert lines[1]["samples"] == [
        {"text": text, "answer": answer, "candidates": candidates} for text, answer in QUESTIONS
    ]


def test_tensorboard_shows_a_table_with_the_right_word_in_bold(tmp_path):
    run(tmp_path, 6)
    events = EventAccumulator(str(tmp_path / "held_out"))
    events.Reload()
    assert [point.step for point in events.Tensors(TAG)] == [3, 6]
    table = make_ndarray(events.Tensors(TAG)[0].tensor_proto).item().decode()
    assert table.split("\n")[2:] == [
        "| a \\[MASK\\] sat\u2028 \\| down . | cat | **cat** 25%, dog 12% |",
        "| the \\* is \\[MASK\\] . | \\#\\#red | cat 25%, dog 12% |",
    ]
    # The text plugin is the one that is asked to show it.
    assert events.SummaryMetadata(TAG).plugin_data.plugin_name == "text"


def test_steps_that_are_taken_again_replace_their_lines(tmp_path):
    run(tmp_path, 7, score=0.25)
    # A run that was killed goes on from the checkpoint of step 4.
    budget = TrainingBudget(steps=9, learning_rate=0.1)
    budget.restore({**budget.state(), "step": 4})
    path, asked = run(tmp_path, 9, budget=budget, score=0.5)
    assert asked == [6, 9]
    lines = read_samples(path)
    assert [line["step"] for line in lines] == [3, 6, 9]
    assert [line["samples"][0]["candidates"][0]["score"] for line in lines] == [0.25, 0.5, 0.5]


def test_weights_that_are_no_numbers_leave_no_line(tmp_path):
    path, asked = run(tmp_path, 3, score=float("nan"))
    assert asked and read_samples(path) == []


def test_a_corpus_without_questions_has_no_samples(tmp_path):
    path, asked = run(tmp_path, 3, questions=[])
    assert asked == [] and read_samples(path) == [] and not (tmp_path / "held_out").exists()


def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path, caplog, monkeypatch):
    run(tmp_path, 3)

    def full(source, target, overwrite):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(training_samples.tf.io.gfile, "rename", full)
    path, asked = run(tmp_path, 6)
    assert asked == [3, 6] and [line["step"] for line in read_samples(path)] == [3]
    assert "samples of step 6 are not written (No space left on device): training goes on" in caplog.text


def test_remote_folders():
    path, _ = run("ram://samples", 3)
    assert [line["step"] for line in read_samples(path)] == [3]


@pytest.mark.parametrize("content", ["cats\n", "[1]\n", '{"stop": 1}\n'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "samples.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"samples\.jsonl holds other lines than a run's samples"):
        run(tmp_path, 3)
    assert (tmp_path / "samples.jsonl").read_text() == content
