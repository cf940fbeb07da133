"""The confusion matrix as SVG."""

from collections.abc import Sequence

from keras_mlm.report.element import Element, element

# Names stand at the sides of so many classes at most; beyond, they come up where the mouse rests.
_NAMED = 40
_LONGEST = 24


def confusion_chart(classes: Sequence[str], cells: Sequence[tuple[int, int, int]]) -> Element:
    """Return a figure: how often each class (rows) was taken for each (columns); strength is the share of the row.

    Args:
        classes: sequence of str.
        cells: sequence of (true class, answered class, count), numbers of classes; what is absent is 0.

    Returns:
        An `Element`, `<figure>`.

    Example:
        ```python
        confusion_chart(["water", "stone"], [(0, 0, 19), (0, 1, 2), (1, 1, 19)])
        ```
    """
    count = len(classes)
    named = count <= _NAMED
    size = 34 if count <= 12 else 20 if named else 8
    names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in classes]
    margin = max(max(map(_width, names), default=0) * 6.6 + 10, 24) if named else 20
    side = margin + count * size + 6
    totals = [0] * count
    for row, _, number in cells:
        totals[row] += number
    drawn = [element("rect", x=margin, y=margin, width=count * size, height=count * size, class_="frame")]
    for row, column, number in cells:
        if not number:
            continue
        share = number / totals[row]
        x, y = margin + column * size, margin + row * size
        hint = element("title", f"{classes[row]} taken for {classes[column]}: {number:,} of {totals[row]:,}")
        kind = "cell" if row == column else "cell wrong"
        # Below a half, so that a number on it is read in both themes.
        strength = f"{0.08 + 0.47 * share:.2f}"
        drawn.append(element("rect", hint, x=x, y=y, width=size - 1, height=size - 1, class_=kind, opacity=strength))
        if size >= 20 and number < 10 ** (size // 8):
            place = {"x": x + (size - 1) / 2, "y": y + size / 2 + 4, "text_anchor": "middle"}
            drawn.append(element("text", number, class_="count", **place))
    if named:
        for number, name in enumerate(names):
            middle = margin + (number + 0.5) * size
            drawn.append(element("text", name, x=margin - 6, y=middle + 4, text_anchor="end"))
            turned = f"rotate(-90 {middle + 4:.1f} {margin - 6:.1f})"
            drawn.append(element("text", name, x=middle + 4, y=margin - 6, transform=turned))
    else:
        drawn.append(element("text", "answered ▸", x=margin, y=margin - 6))
        turned = f"rotate(-90 {margin - 6} {side - 6:.0f})"
        drawn.append(element("text", "◂ label", x=margin - 6, y=side - 6, transform=turned))
    right = sum(number for row, column, number in cells if row == column)
    caption = f"{right:,} of {sum(totals):,} right"
    svg = element("svg", drawn, viewBox=f"0 0 {side:.0f} {side:.0f}", role="img", aria_label=f"Confusions, {caption}",
                  style=f"max-width: {side:.0f}px; min-width: {min(side, 320):.0f}px")  # fmt: skip
    note = "rows are labels, columns answers; errors are red"
    return element("figure", element("figcaption", element("strong", caption), element("span", note)),
                   element("div", svg, class_="scroll"))  # fmt: skip


def _width(name: str) -> float:
    return sum(1.8 if ord(character) >= 0x1100 else 1.0 for character in name)
