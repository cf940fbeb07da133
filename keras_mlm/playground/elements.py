"""Pieces of the page; whatever a user or a model wrote in them is text, never markup."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras_mlm.errors import InputError
from keras_mlm.report.element import Element, element, to_html

# Signs that templates of page libraries may read as their own.
_TEMPLATE = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})

# Both light and dark: tints let the page's own colours through.
STYLE = """
.mlm { font-size: 1rem; line-height: 1.6; overflow-wrap: anywhere; }
.mlm h3 { margin: .2rem 0; font-size: 1rem; }
.mlm p { margin: .3rem 0; }
.mlm.mlm table { border: 0; border-collapse: collapse; width: 100%; max-width: 36rem; margin: .6rem 0; }
.mlm.mlm :is(tr, th, td) { border: 0; background: none; }
.mlm.mlm :is(th, td) { text-align: left; padding: .15rem .6rem .15rem 0; font-weight: normal; white-space: nowrap; }
.mlm.mlm td.mlm-number { width: 6rem; text-align: right; font-variant-numeric: tabular-nums; }
.mlm.mlm td:last-child { width: 60%; }
@media (max-width: 40rem) {
  .mlm.mlm :is(th, td) { white-space: normal; }
  .mlm.mlm td.mlm-number { width: 4rem; }
  .mlm.mlm td:last-child { width: 25%; }
}
.mlm caption { text-align: left; font-weight: 600; }
.mlm thead { position: absolute; clip-path: inset(50%); }
.mlm-bar { height: .7rem; min-width: 1px; background: #3b82f6; border-radius: .2rem; }
.mlm-quiet { opacity: .75; font-size: .875rem; }
.mlm-unsure { border-left: .25rem solid #d97706; padding-left: .6rem; }
.mlm-error { border-left: .25rem solid #dc2626; padding-left: .6rem; }
.mlm-words { display: flex; flex-wrap: wrap; gap: .35rem; align-items: flex-end; margin: .4rem 0; }
.mlm-word { display: inline-flex; flex-direction: column; align-items: center; }
.mlm-word small { opacity: .75; }
.mlm-token { border: 1px solid rgba(128, 128, 128, .5); border-radius: .25rem; padding: 0 .3rem; margin: 0 1px;
  display: inline-block; }
.mlm-masked { background: rgba(245, 158, 11, .45); }
.mlm-replaced { background: rgba(239, 68, 68, .4); }
.mlm-kept { background: rgba(59, 130, 246, .4); }
.mlm-special { opacity: .65; }
.mlm-unknown { outline: 2px solid #dc2626; }
.mlm mark { color: inherit; border-radius: .25rem; padding: 0 .2rem; }
.mlm mark.mlm-doubtful { outline: 1px dashed currentColor; }
.mlm-c0 { background: rgba(59, 130, 246, .35); } .mlm-c1 { background: rgba(245, 158, 11, .4); }
.mlm-c2 { background: rgba(16, 185, 129, .35); } .mlm-c3 { background: rgba(168, 85, 247, .35); }
.mlm-c4 { background: rgba(239, 68, 68, .35); } .mlm-c5 { background: rgba(20, 184, 166, .4); }
.mlm-c6 { background: rgba(236, 72, 153, .35); } .mlm-c7 { background: rgba(132, 204, 22, .4); }
.mlm img { max-width: 100%; height: auto; background: white; border-radius: .3rem; }
.side-by-side.side-by-side { flex-wrap: wrap; }
.side-by-side.side-by-side > * { min-width: min(100%, 20rem) !important; }
"""


class Bar(NamedTuple):
    """A row of a table of probabilities.

    Args:
        label: str, what may be so.
        probability: float in [0, 1].
    """

    label: str
    probability: float


def page_html(*children: Any) -> str:
    """Return elements and texts as HTML that may be put into the page as it is."""
    return to_html(element("div", *children, class_="mlm")).translate(_TEMPLATE)


def check_typed(text: str) -> None:
    """Raise `InputError` where nothing was typed."""
    if not text.strip():
        raise InputError("the text is empty: type a sentence")


def answered(function: Callable[..., Element], *arguments: Any) -> str:
    """Return a function's answer as HTML, or in one line what was wrong with the input."""
    try:
        return page_html(function(*arguments))
    except InputError as error:
        return page_html(element("p", str(error), class_="mlm-error", role="alert"))


def bars(caption: Any, rows: Sequence[Bar]) -> Element:
    """Return a table of probabilities, each with a bar as long."""
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", [element("th", name, scope="col") for name in ("", "probability", "")])),
        element("tbody", [_row(row) for row in rows]),
    )


def unsure(words: str) -> Element:
    """Return a warning not to take an answer for more than it is."""
    return element("p", words, class_="mlm-unsure")


def quiet(words: str) -> Element:
    """Return a remark."""
    return element("p", words, class_="mlm-quiet")


def percent(share: float) -> str:
    """Return a probability as people read it."""
    return f"{share:.1%}" if share >= 0.001 else "below 0.1%"


def _row(row: Bar) -> Element:
    width = f"width: {100 * min(max(row.probability, 0.0), 1.0):.1f}%"
    return element(
        "tr",
        element("th", element("bdi", row.label), scope="row"),
        element("td", percent(row.probability), class_="mlm-number"),
        element("td", element("div", "", class_="mlm-bar", style=width)),
    )
