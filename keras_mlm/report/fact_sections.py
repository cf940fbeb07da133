"""What a run came to, what it learned from, how it was set and started, and what it left."""

import math
from typing import Any
from urllib.parse import quote

from keras_mlm.report.element import Element, element
from keras_mlm.report.numbers import clock, short
from keras_mlm.report.run_record import RunRecord
from keras_mlm.report.tables import pairs_table

# The figures that stand above everything else, in this order, as far as they are there: name, title, whether a share.
_HEADLINES = (
    ("perplexity", "perplexity, held-out", False),
    ("teacher_perplexity", "perplexity of the teacher", False),
    ("masked_lm_accuracy", "masked tokens guessed right", True),
    ("next_sentence_accuracy", "next sentences told right", True),
    ("test_accuracy", "accuracy on test", True),
    ("test_f1", "F1 on test", True),
    ("test_micro_f1", "micro F1 on test", True),
    ("test_macro_f1", "macro F1 on test", True),
    ("dev_accuracy", "accuracy on dev", True),
    ("dev_f1", "F1 on dev", True),
    ("parameters", "parameters", False),
    ("steps", "steps", False),
    ("tokens_per_second", "tokens per second", False),
    ("seconds", "training time", False),
)
_TILES = 7
# Figures of a model beside those of counting, which `evaluate` adds.
_YARDSTICKS = (
    ("perplexity", "this model", 1),
    ("neighbour_perplexity", "counts of both neighbours", 3),
    ("unigram_perplexity", "counts of single tokens", 3),
)


def tiles(record: RunRecord) -> Element | None:
    """Return the figures that matter most."""
    metrics = {name: value for name, value in record.metrics.items() if isinstance(value, int | float)}
    if not metrics:  # as far as the run has come
        latest = {name: points[-1][1] for name, points in record.held_out.items() if points}
        metrics = {**latest, **{f"dev_{name}": value for name, value in latest.items()}, "steps": record.step}
    found = [(title, _headline(name, metrics[name], share)) for name, title, share in _HEADLINES if name in metrics]
    return element("div", [element("div", element("b", value), element("span", title), class_="tile")
                           for title, value in found[:_TILES]], class_="tiles")  # fmt: skip


def _headline(name: str, value: float, share: bool) -> str:
    if name == "seconds":
        return clock(value)
    return f"{value:.1%}" if share and value <= 1 else short(value)


def result_section(record: RunRecord) -> Element:
    """Return all figures of the final evaluation, and the model beside its yardsticks."""
    metrics = record.metrics
    if not metrics:
        return element("p", "The final evaluation comes at the end of the training.", class_="quiet")
    parts: list[Any] = []
    compared = [(title, float(metrics[name]), colour) for name, title, colour in _YARDSTICKS
                if isinstance(metrics.get(name), int | float) and 0 < metrics[name] < math.inf]  # fmt: skip
    if len(compared) > 1:
        longest = max(value for _, value, _ in compared)
        bars = [
            (element("span", title), element("div", element("div", class_=f"bar c{colour}",
             style=f"width: {100 * value / longest:.1f}%"), element("b", short(value)), class_="measure"))
            for title, value, colour in compared
        ]  # fmt: skip
        head = element("h3", "Perplexity on the same held-out tokens: less is better")
        parts.append(element("div", head, element("div", bars, class_="bars"), _cloze(metrics), class_="card"))
    elif "perplexity" in metrics:
        words = "recipes/evaluate.py sets these figures beside those of counting, and adds a cloze test."
        parts.append(element("div", element("h3", "Yardsticks"), element("p", words), class_="card"))
    parts.append(element("div", element("h3", "All figures"), pairs_table(metrics), class_="card scroll"))
    return element("div", parts, class_="cards")


def _cloze(metrics: dict[str, Any]) -> Element | None:
    asked = metrics.get("cloze_sentences")
    if not asked:
        return None
    first, five = metrics.get("cloze_top1", 0), metrics.get("cloze_top5", 0)
    return element("p", f"Cloze test: of {asked} masked words, {first} were the first guess, {five} among five.")


def data_section(record: RunRecord) -> Element | None:
    """Return what was learned from, in numbers."""
    cards = []
    for name, entries in record.data.items():
        if name == "format_version":
            continue
        table = pairs_table(entries if isinstance(entries, dict) else {name: entries})
        cards.append(element("div", element("h3", name), table, class_="card scroll"))
    if not cards and isinstance(record.run.get("data"), dict):
        entries = {name: value for name, value in record.run["data"].items() if not isinstance(value, list | dict)}
        cards = [element("div", pairs_table(entries), class_="card scroll")] if entries else []
    return element("div", cards, class_="cards") if cards else None


def setting_section(record: RunRecord) -> Element | None:
    """Return the architecture and the settings of the training."""
    model = record.run.get("model") or record.config.get("model")
    titles = {"Pre-training": "pretraining", "Distillation": "distillation", "Fine-tuning": "finetuning"}
    parts = {"Model": model, **{title: record.run.get(name) for title, name in titles.items()}}
    cards = [element("div", element("h3", title), pairs_table(entries), class_="card scroll")
             for title, entries in parts.items() if isinstance(entries, dict)]  # fmt: skip
    return element("div", cards, class_="cards") if cards else None


def start_section(record: RunRecord) -> Element | None:
    """Return the command, and what else is needed to do the same again, of every start of the run."""
    starts = record.run.get("starts")
    starts = [start for start in starts if isinstance(start, dict)] if isinstance(starts, list) else []
    cards = []
    for number, start in enumerate(starts, 1):
        rest = {name: value for name, value in start.items() if name != "command" and value}
        title = f"Start {number} of {len(starts)}" if len(starts) > 1 else "Command"
        command = element("pre", str(start.get("command", "")), dir="ltr")
        cards.append(element("div", element("h3", title), command, pairs_table(rest), class_="card"))
    return element("div", cards, class_="cards") if cards else None


def artefact_section(record: RunRecord) -> Element:
    """Return links to what lies in the folder, relative to the page."""
    rows = []
    for name, what, size in record.artefacts:
        # `./` and the quoting make a path of any name, `javascript:…` included.
        link = element("a", name, href="./" + quote(name.encode("utf-8", "surrogateescape")))
        rows.append(
            element("tr", element("td", link), element("td", what), element("td", _size(size), class_="number"))
        )
    return element("div", element("table", element("tbody", rows)), class_="card scroll")


def _size(size: int | None) -> str:
    if size is None:
        return "folder"
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.3g} {unit}"
    return f"{size} B"
