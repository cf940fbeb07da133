"""The page that shows a run: `report.html` in its model folder."""

from functools import cache
from importlib import resources

import tensorflow as tf

from keras_mlm.report.answer_section import answer_section
from keras_mlm.report.curve_section import curve_section
from keras_mlm.report.element import Element, element, to_html
from keras_mlm.report.fact_sections import (
    artefact_section,
    data_section,
    result_section,
    setting_section,
    start_section,
    tiles,
)
from keras_mlm.report.run_record import REPORT, RunRecord
from keras_mlm.report.sample_section import sample_section
from keras_mlm.whole_file import write_whole

# Nothing but what is in the file itself: no script, no font, no picture from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_RELOAD_SECONDS = 60


def write_report(folder: str, *, samples: bool = True, running: bool = False) -> str:
    """Write `report.html` into a model folder: one file that needs no network and no script.

    It is made from what the folder holds: settings, starts, curves, samples, metrics, answers. What is not there yet,
    as in a run that goes on or was interrupted, is left out. The page before it stays until the new one is whole.

    Args:
        folder: str, local or remote model folder.
        samples: bool, whether sentences, and errors with their texts, are shown. Defaults to `True`.
        running: bool, whether the run goes on; the page then says so and reloads itself. Defaults to `False`.

    Returns:
        str, the path of the page.

    Raises:
        InputError: the folder holds neither a model nor a run.

    Example:
        ```python
        write_report("saved_models/news")
        ```
    """
    page = run_page(RunRecord.read(folder), samples=samples, running=running)
    path = tf.io.gfile.join(folder, REPORT)
    write_whole(path, page)
    return path


def run_page(record: RunRecord, *, samples: bool = True, running: bool = False) -> str:
    """Return the page of a run as HTML; arguments as `write_report`."""
    sections: list[tuple[str, str, Element | list[Element] | None]] = [
        ("results", "Final evaluation", result_section(record)),
        ("answers", "Right and wrong", answer_section(record, samples=samples)),
        ("curves", "Curves", curve_section(record)),
        ("sentences", "Masked sentences", sample_section(record) if samples else None),
        ("data", "Data", data_section(record)),
        ("settings", "Settings", setting_section(record)),
        ("command", "How it was started", start_section(record)),
        ("files", "Files", artefact_section(record)),
    ]
    if not record.metrics:
        sections = [*sections[2:4], sections[1], *sections[4:], sections[0]]
    shown = [section for section in sections if section[2]]
    state = "training" if running else "finished" if record.finished else "unfinished"
    top = element("div", element("h1", record.name), element("span", state, class_=f"state {state}"), class_="top")
    kind = {"BertTextClassifier": "classifier", "BertTokenClassifier": "tagger"}.get(str(record.config.get("class")))
    words = f"{kind or 'BERT'} · step {record.step:,} · as of {record.time}"
    notes = [element("p", note, class_="note") for note in record.notes]
    body = element(
        "main",
        element("header", top, element("p", words, class_="quiet"), _unfinished(state), notes),
        tiles(record),
        element("nav", [element("a", title, href=f"#{name}") for name, title, _ in shown], aria_label="Sections"),
        [element("section", element("h2", title), part, id=name) for name, title, part in shown],
        element("footer", "Written by keras_mlm. Everything on this page is in the file itself."),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="refresh", content=_RELOAD_SECONDS) if running else None,
        element("title", f"{record.name}: report"),
        element("style", _style()),
    )
    return "<!DOCTYPE html>\n" + to_html(element("html", head, element("body", body), lang="en")) + "\n"


def _unfinished(state: str) -> Element | None:
    words = {
        "training": "The training goes on: this page is written about once a minute and reloads itself. Where the time "
        "above is long ago, it was interrupted; the command below continues it.",
        "unfinished": "The run is not finished: it goes on, or was interrupted. The command below continues it.",
    }
    return element("p", words[state], class_="note") if state in words else None


@cache
def _style() -> str:
    return resources.files("keras_mlm.report").joinpath("style.css").read_text(encoding="utf-8")
