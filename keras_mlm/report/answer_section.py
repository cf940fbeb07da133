"""What a classifier or tagger gets right and wrong."""

from collections.abc import Callable
from typing import Any

from keras_mlm.report.confusion_chart import confusion_chart
from keras_mlm.report.element import Element, element
from keras_mlm.report.run_record import RunRecord
from keras_mlm.report.tables import rows_table

_MOST = 12


def answer_section(record: RunRecord, *, samples: bool) -> list[Element]:
    """Return the picture of the confusions, the table of the classes and the errors worth reading."""
    answers, found = record.answers, []
    classes = [str(name) for name in answers.get("classes", [])]

    def add(name: str, make: Callable[[], Element | None]) -> None:
        try:
            part = make() if answers.get(name) else None
        except (ValueError, TypeError, OverflowError, IndexError, KeyError, AttributeError):
            record.notes.append(f"answers.json: {name} is damaged and left out")
            return
        if part is not None:
            found.append(part)

    add("confusion", lambda: _confusions(classes, answers["confusion"]))
    add("table", lambda: _classes(answers["table"]))
    if samples:
        add("errors", lambda: _errors(answers["errors"]))
    return found


def _confusions(classes: list[str], given: list[Any]) -> Element | None:
    cells = [(int(row), int(column), int(number)) for row, column, number in given]
    if any(not 0 <= place < len(classes) for row, column, _ in cells for place in (row, column)):
        raise ValueError("a cell outside the classes")
    chart = confusion_chart(classes, cells)
    wrong = sorted((cell for cell in cells if cell[0] != cell[1]), key=lambda cell: -cell[2])[:_MOST]
    totals = {row: sum(cell[2] for cell in cells if cell[0] == row) for row, _, _ in wrong}
    rows = [[classes[row], classes[column], number, f"{number / totals[row]:.0%}"] for row, column, number in wrong]
    table = rows_table(["label", "taken for", "times", "of the label"], rows, numbers=(2, 3))
    most = element("div", element("h3", "Most frequent confusions"), table, class_="card") if rows else None
    return element("div", chart, most, class_="cards")


def _classes(given: list[Any]) -> Element:
    rows = [[str(name), *(f"{float(value):.3f}" for value in (precision, recall, f1)), f"{int(number):,}"]
            for name, precision, recall, f1, number in given]  # fmt: skip
    table = rows_table(["class", "precision", "recall", "F1", "examples"], rows, numbers=(1, 2, 3, 4))
    return element("div", element("h3", "Classes, the worst first"), table, class_="card scroll")


def _errors(given: list[Any]) -> Element:
    rows = [[f"{float(error['sure']):.0%}", str(error["label"]), str(error["answer"]), str(error["text"])]
            for error in given]  # fmt: skip
    table = rows_table(["sure", "label", "answer", "text"], rows, numbers=(0,), long=3)
    words = "The errors that the model was surest of: wrong labels in the data, and what it does not know."
    return element("div", element("h3", "Errors worth reading"), element("p", words, class_="quiet"), table,
                   class_="card scroll")  # fmt: skip
