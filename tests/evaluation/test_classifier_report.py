import json
import struct

import numpy as np
import pytest

from keras_mlm.data.labelled_texts import LabelledText
from keras_mlm.evaluation import classifier_report as report
from keras_mlm.evaluation.confusion_picture import save_confusion_picture
from keras_mlm.models.bert_text_classifier import TextPredictions

CLASSES = ["sport", "politics", "天气"]
TRUTH = np.array([0, 0, 1, 2])
SHARES = np.array([[0.8, 0.1, 0.1], [0.02, 0.95, 0.03], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3]])
TEXTS = ["they won", "a vote\nof the club", "the bill", "下雨了"]


def test_scores_of_one_label_and_of_several():
    assert report.classifier_scores(TRUTH, SHARES) == pytest.approx(
        {"accuracy": 0.5, "macro_f1": (0.5 + 2 / 3 + 0) / 3, "loss": -np.log([0.8, 0.02, 0.7, 0.3]).mean()}
    )
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], "float32")
    shares = np.array([[0.9, 0.1, 0.1], [0.9, 0.4, 0.1], [0.2, 0.2, 0.6], [0.1, 0.2, 0.7]])
    found = report.classifier_scores(truth, shares)
    # right: 3 labels; missed: 1; too many: 1
    loss = -np.log(np.where(truth > 0, shares, 1 - shares)).mean()
    expected = {"accuracy": 0.5, "macro_f1": (1 + 0 + 2 / 3) / 3, "micro_f1": 6 / 8, "loss": loss}
    assert found == pytest.approx(expected)


def test_the_worst_class_stands_first():
    lines = report.class_table(CLASSES, TRUTH, SHARES).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["天气", "sport", "politics"]
    assert lines[3].split()[1:] == ["0.500", "0.500", "0.500", "2"]


def test_the_surest_errors_stand_first():
    lines = report.confident_errors(CLASSES, TRUTH, SHARES, TEXTS).splitlines()[2:]
    assert [line.split()[:3] for line in lines] == [["95.0%", "politics", "sport"], ["40.0%", "sport", "天气"]]
    assert "a vote of the club" in lines[0]
    assert report.confident_errors(CLASSES, SHARES.argmax(axis=1), SHARES, TEXTS) == ""
    assert len(report.confident_errors(CLASSES, TRUTH, SHARES, TEXTS, count=1).splitlines()) == 3
    truth = np.array([[1, 0, 0], [0, 0, 0]], "float32")
    shares = np.array([[0.3, 0.9, 0.1], [0.1, 0.2, 0.1]])
    lines = report.confident_errors(CLASSES, truth, shares, [("a", "b"), "c"]).splitlines()[2:]
    assert [line.split()[:2] for line in lines] == [["90.0%", "politics"], ["70.0%", "not"]]
    assert "a ▶ b" in lines[0]


def test_predictions_are_a_line_an_example(tmp_path):
    examples = [LabelledText("f", 1, "a", ("x", "y")), LabelledText("f", 2, "b", ())]
    answer = TextPredictions([["x"], []], np.array([[0.9, 0.4], [0.1, 0.2]]))
    report.write_predictions(str(tmp_path / "out.tsv"), examples, answer, ",")
    assert (tmp_path / "out.tsv").read_text() == "x,y\tx\t0.6000\n\t\t0.8000\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.tsv"]


@pytest.mark.parametrize("count", [3, 40])
def test_the_picture_grows_with_the_classes(tmp_path, count):
    pytest.importorskip("matplotlib")
    classes = [*CLASSES, *(f"a_class_of_some_length_{n}" for n in range(3, count))]
    draw = np.random.default_rng(0)
    save_confusion_picture(str(tmp_path / "c.png"), classes, draw.integers(0, count, 500), draw.integers(0, count, 500))
    header = (tmp_path / "c.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", header[16:])
    assert min(width, height) > count * 0.18 * 150


def test_what_a_report_shows_is_kept_as_plain_data():
    record = report.answers_record(CLASSES, TRUTH, SHARES, TEXTS)
    assert json.loads(json.dumps(record)) == record
    assert record["confusion"] == [[0, 0, 1], [0, 1, 1], [1, 1, 1], [2, 0, 1]]
    assert [row[0] for row in record["table"]] == ["天气", "sport", "politics"]
    assert record["table"][1] == ["sport", 0.5, 0.5, 0.5, 2]
    assert record["errors"][0] == {"sure": 0.95, "answer": "politics", "label": "sport", "text": "a vote of the club"}
    assert report.answers_record(CLASSES, TRUTH, SHARES)["errors"] == []
    several = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], "float32")
    assert "confusion" not in report.answers_record(CLASSES, several, SHARES, TEXTS)
