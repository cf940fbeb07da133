"""The curves of a run."""

from collections.abc import Iterator
from typing import NamedTuple

from keras_mlm.report.element import Element, element
from keras_mlm.report.line_chart import Curve, line_chart, smoothed
from keras_mlm.report.run_record import RunRecord

_Points = list[tuple[float, float]]
# What is drawn in a chart of its own: title, tag in training, tag in held-out evaluations, whether on a log scale.
_QUALITY = (
    ("Loss", "loss", "loss", False),
    ("Perplexity", "perplexity", "perplexity", True),
    ("Masked LM accuracy", "masked_lm_accuracy", "masked_lm_accuracy", False),
    ("Next sentence accuracy", "next_sentence_accuracy", "next_sentence_accuracy", False),
    ("Accuracy", "accuracy", "accuracy", False),
    ("F1 of spans", "", "f1", False),
    ("Macro F1", "", "macro_f1", False),
)
_MECHANICS = (
    ("Learning rate", "learning_rate", False),
    ("Gradient norm, before clipping", "gradient_norm", True),
    ("Update ratio |Δw| / |w|", "update_ratio", True),
    ("Tokens per second", "tokens_per_second", False),
    ("Batches left out", "skipped_batches", False),
)


class Chart(NamedTuple):
    """What one chart shows, however it is drawn.

    Args:
        title: str, what is drawn, with its unit.
        curves: list of `Curve`, at least one.
        logarithmic: bool, whether the y axis is.
        from_zero: bool, whether the y axis begins there.
    """

    title: str
    curves: list[Curve]
    logarithmic: bool
    from_zero: bool


def curve_section(record: RunRecord) -> Element:
    """Return the charts of what was learned and of how the training went."""
    train, held_out = record.train, record.held_out
    if not train and not held_out:
        return element("p", "No curves yet: the first points come after some steps.", class_="quiet")
    charts = [
        line_chart(chart.title, chart.curves, logarithmic=chart.logarithmic, from_zero=chart.from_zero)
        for chart in curve_charts(record)
    ]
    words = []
    if "step_loss" in train:
        words.append("The pale line of the loss is of single steps, the strong one their moving mean.")
    if "perplexity" in train:
        words.append("Perplexity and accuracy in training are means of up to a hundred steps.")
    if record.curves_of:
        words.append(f"The curves are of {record.curves_of}.")
    note = element("p", " ".join(words), class_="quiet") if words else None
    return element("div", note, element("div", charts, class_="charts"))


def curve_charts(record: RunRecord) -> Iterator[Chart]:
    """Give the charts of a run, first those of what was learned."""
    train, held_out = record.train, record.held_out
    held_name = "held-out" if "model" in record.run else "dev"
    for title, tag, held_tag, logarithmic in _QUALITY:
        curves = _training(tag, train)
        if held_tag in held_out:
            curves.append(Curve(held_name, held_out[held_tag], colour=2, marked=len(held_out[held_tag]) <= 60))
        if curves:
            yield Chart(title, curves, logarithmic, from_zero=False)
    for title, tag, logarithmic in _MECHANICS:
        points = train.get(tag, [])
        if not points or (tag == "skipped_batches" and not points[-1][1]):
            continue
        if tag in ("gradient_norm", "update_ratio", "tokens_per_second"):
            curves = _noisy("", points, colour=3)
        else:
            curves = [Curve("", points, colour=3)]
        yield Chart(title, curves, logarithmic, from_zero=tag == "tokens_per_second")


def _training(tag: str, train: dict[str, _Points]) -> list[Curve]:
    if tag == "loss" and "step_loss" in train:
        return _noisy("training", train["step_loss"], colour=1)
    # The first point stands for a model that has hardly begun; a mean over an epoch that has only begun is noise, too.
    return [Curve("training", train[tag], colour=1)] if tag in train else []


def _noisy(label: str, points: _Points, colour: int) -> list[Curve]:
    if len(points) < 8:
        return [Curve(label, points, colour)]
    width = max(3, len(points) // 15)
    return [Curve("", points, colour, faint=True), Curve(label, smoothed(points, width), colour)]
