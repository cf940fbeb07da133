"""A table of plain text whose columns line up in a terminal, Chinese characters included."""

import unicodedata
from collections.abc import Sequence
from typing import Any


def text_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as lines of aligned columns; numbers are aligned to the right.

    Args:
        header: sequence of str, one a column.
        rows: sequence of sequences of values; a float is shown with four significant digits, `None` as nothing.

    Returns:
        A str without a newline at its end.

    Example:
        ```python
        print(text_table(["token", "score"], [["capital", 0.61], ["首都", 0.2]]))
        ```
    """
    cells = [[_shown(value) for value in row] for row in rows]
    columns = range(len(header))
    widths = [max(display_width(row[column]) for row in [list(header), *cells]) for column in columns]
    right = [bool(rows) and all(isinstance(row[column], int | float | None) for row in rows) for column in columns]
    lines = [list(header), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(_padded(row[column], widths[column], right[column]) for column in columns).rstrip() for row in lines
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def display_width(text: str) -> int:
    """Return the columns a text takes: wide and full-width characters two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space
