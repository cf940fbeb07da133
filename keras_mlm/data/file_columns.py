"""Columns of labelled files, chosen by number or by name."""

from collections.abc import Sequence

from keras_mlm.errors import InputError


def column_place(where: str, name: str, column: str, cells: Sequence[str], *, named: bool) -> int:
    """Return which cell of a row a column is.

    Args:
        where: str, file and line of the first row, for the complaint.
        name: str, what the column is for, such as `"label"`.
        column: str, its number, from 1, or its name.
        cells: sequence of str, the first row.
        named: bool, whether that row holds names; a name goes before a number then.

    Returns:
        int, from 0.

    Raises:
        InputError: there is no such column; the message lists those that there are.
    """
    if named and column in cells:
        return list(cells).index(column)
    place = int(column) - 1 if column.isdecimal() else -1
    if 0 <= place < len(cells):
        return place
    there = ", ".join(cells) if named else f"1 to {len(cells)}"
    raise InputError(f"{where}: no column {column!r} for the {name}; there are {there}")


def check_width(where: str, cells: Sequence[str], width: int) -> None:
    """Raise `InputError` where a row has another number of cells than the first one."""
    if len(cells) != width:
        raise InputError(f"{where}: {len(cells)} columns where the first line has {width}")
