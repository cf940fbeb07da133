"""Tables of a page."""

from collections.abc import Collection, Sequence
from typing import Any

from keras_mlm.report.element import Element, element
from keras_mlm.report.numbers import shown


def pairs_table(entries: dict[str, Any]) -> Element:
    """Return names and values as a table of two columns."""
    rows = [
        element("tr", element("th", str(name).replace("_", " "), scope="row"), element("td", shown(value)))
        for name, value in entries.items()
    ]
    return element("table", element("tbody", rows), class_="pairs")


def rows_table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: Collection[int] = (), long: int | None = None
) -> Element:
    """Return rows under a header; columns in `numbers` are aligned to the right, and a `long` one is never narrow."""

    def kind(column: int) -> str | None:
        return "number" if column in numbers else "long" if column == long else None

    head = [element("th", name, scope="col", class_=kind(column)) for column, name in enumerate(header)]
    body = [
        element("tr", [element("td", cell, class_=kind(column), dir=None if column in numbers else "auto")
                       for column, cell in enumerate(row)])
        for row in rows
    ]  # fmt: skip
    return element("table", element("thead", element("tr", head)), element("tbody", body))
