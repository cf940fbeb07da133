"""Curves as SVG: they follow the page's colours, stay sharp in print and need no script."""

import dataclasses
import math
from collections.abc import Sequence

from keras_mlm.report.element import Element, element
from keras_mlm.report.numbers import short

# A card of the page is about this wide, on a phone a little less, so that text keeps its size.
WIDTH, HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34
# More points than a chart has columns show nothing more.
_POINTS = 200
# Beyond these, quotients of floats overflow.
_LEAST, _MOST = 1e-100, 1e100


@dataclasses.dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Args:
        label: str, its name in the legend; empty for none.
        points: list of (x, y), x rising.
        colour: int from 1 to 4, of the page's palette.
        faint: bool, whether it is the noise behind another line. Defaults to `False`.
        marked: bool, whether its points are drawn as dots. Defaults to `False`.
    """

    label: str
    points: list[tuple[float, float]]
    colour: int
    faint: bool = False
    marked: bool = False


def line_chart(
    title: str, curves: Sequence[Curve], *, logarithmic: bool = False, from_zero: bool = False, x_label: str = "step"
) -> Element:
    """Return a figure of curves over steps, with axes, legend, and numbers where the mouse rests.

    Args:
        title: str, what is drawn, with its unit.
        curves: sequence of `Curve`; points that are no finite numbers are left out.
        logarithmic: bool, whether the y axis is, where all values are above 0. Defaults to `False`.
        from_zero: bool, whether the y axis begins there, so that lengths compare. Defaults to `False`.
        x_label: str, name of the x axis. Defaults to `"step"`.

    Returns:
        An `Element`, `<figure>`.

    Example:
        ```python
        line_chart("Loss", [Curve("training", [(0, 9.1), (100, 6.2)], colour=1)])
        ```
    """
    curves = [dataclasses.replace(curve, points=_finite(curve.points)) for curve in curves]
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return element("figure", element("figcaption", title), element("p", "nothing recorded yet", class_="quiet"))
    values = [y for curve in curves for _, y in curve.points] + [0.0] * from_zero
    logarithmic = logarithmic and min(values) > 0
    marks = _logarithmic_ticks(min(values), max(values)) if logarithmic else ticks(min(values), max(values))
    low, high = min(*marks, *values), max(*marks, *values)
    last = max(x for curve in curves for x, _ in curve.points)
    first = min(0.0, *(x for curve in curves for x, _ in curve.points))

    def across(x: float) -> float:
        return _LEFT + (x - first) / ((last - first) or 1.0) * (WIDTH - _LEFT - _RIGHT)

    def up(y: float) -> float:
        share = (math.log(y / low) / math.log(high / low)) if logarithmic else (y - low) / (high - low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    drawn = [
        *(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=up(y), y2=up(y), class_="grid") for y in marks),
        *(element("text", short(y), x=_LEFT - 6, y=up(y) + 4, text_anchor="end") for y in marks),
        *(
            element("text", short(x), x=across(x), y=HEIGHT - 17, text_anchor="middle" if x < last else "end")
            for x in ticks(first, last)
            if x <= last
        ),
        element("text", x_label, x=WIDTH - _RIGHT, y=HEIGHT - 3, text_anchor="end", class_="axis"),
        element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=HEIGHT - _BOTTOM, y2=HEIGHT - _BOTTOM, class_="base"),
    ]
    for curve in curves:
        points = thinned(curve.points)
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        kind = f"curve c{curve.colour}" + (" faint" if curve.faint else "")
        drawn.append(element("polyline", points=path, class_=kind))
        if curve.faint:
            continue
        for x, y in points:
            hint = element("title", f"{curve.label} {short(y)} at {x_label} {x:,.0f}".strip())
            alone = curve.marked or len(points) == 1
            kind = f"dot c{curve.colour}" if alone else "hint"
            drawn.append(element("circle", hint, cx=across(x), cy=up(y), r=3.0 if alone else 5.0, class_=kind))
    described = f"{title}: " + "; ".join(
        f"{curve.label or 'curve'} from {short(curve.points[0][1])} to {short(curve.points[-1][1])}" for curve in curves
    )
    svg = element("svg", drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=described)
    legend = [
        element("span", element("i", class_=f"key c{curve.colour}" + (" faint" if curve.faint else "")), curve.label)
        for curve in curves
        if curve.label
    ]
    return element(
        "figure", element("figcaption", element("strong", title), element("span", legend, class_="legend")), svg
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers that divide the way from one number to another; the first and the last enclose it."""
    if not high > low:
        pad = abs(low) * 0.1 or 0.5
        low, high = low - pad, high + pad
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(begin, end + 1)]


def smoothed(points: Sequence[tuple[float, float]], width: int) -> list[tuple[float, float]]:
    """Return points whose y is the mean over so many neighbours, fewer at both ends."""
    points, half = _finite(points), width // 2
    result = []
    for place, (x, _) in enumerate(points):
        reach = min(half, place)  # a loss falls steeply at first: a mean of later points only would hide it
        near = [y for _, y in points[place - reach : place + reach + 1]]
        result.append((x, sum(near) / len(near)))
    return result


def thinned(points: Sequence[tuple[float, float]], most: int = _POINTS) -> list[tuple[float, float]]:
    """Return at most so many of the points: of each run of neighbours the lowest and the highest, first and last."""
    if len(points) <= most:
        return list(points)
    inner, groups = points[1:-1], max(1, (most - 2) // 2)
    kept = [points[0]]
    for group in range(groups):
        run = inner[group * len(inner) // groups : (group + 1) * len(inner) // groups]
        kept += sorted({min(run, key=lambda point: point[1]), max(run, key=lambda point: point[1])})
    return [*kept, points[-1]]


def _logarithmic_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in ((1, 2, 5) if len(powers) < 5 else (1,))]
    below = max((mark for mark in fine if mark <= low), default=fine[0])
    above = min((mark for mark in fine if mark >= high), default=fine[-1])
    marks = [mark for mark in fine if below <= mark <= above]
    return marks if len(marks) > 1 else [marks[0], marks[0] * 10]


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out what no axis can show; what is nearly nothing is nothing."""
    return [(float(x), float(y) if abs(y) > _LEAST else 0.0) for x, y in points if abs(x) < _MOST and abs(y) < _MOST]
