import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.report.element import element, to_html
from keras_mlm.report.line_chart import HEIGHT, WIDTH, Curve, line_chart, smoothed, thinned, ticks

NUMBERS = st.floats(-1e9, 1e9, allow_subnormal=False)


def marks(figure, tag):
    return [node for node in figure.iter() if node.tag == tag]


def test_points_lie_where_the_axes_say():
    figure = line_chart("Loss", [Curve("training", [(0, 0.0), (50, 10.0), (100, 5.0)], colour=1, marked=True)])
    labels = {node.text: node for node in marks(figure, "text")}
    (line,) = marks(figure, "polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert points[1][1] == pytest.approx(float(labels["10"].get("y")) - 4, abs=0.1)
    assert points[1][0] == pytest.approx((points[0][0] + points[2][0]) / 2)
    assert points[2][1] == pytest.approx((points[0][1] + points[1][1]) / 2)
    assert [node.find("title").text for node in marks(figure, "circle")] == [
        "training 0 at step 0", "training 10 at step 50", "training 5 at step 100"]  # fmt: skip


def test_a_logarithmic_axis_gives_equal_ratios_equal_lengths():
    curve = Curve("", [(0, 10.0), (1, 100.0), (2, 1000.0)], colour=1)
    (line,) = marks(line_chart("Perplexity", [curve], logarithmic=True), "polyline")
    heights = [float(point.split(",")[1]) for point in line.get("points").split()]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.11)


@given(st.lists(st.tuples(st.integers(0, 10**7), st.floats()), max_size=30), st.booleans())
def test_any_curve_is_drawn_inside_its_chart(points, logarithmic):
    curve = Curve("", sorted(points, key=lambda point: point[0]), colour=1, marked=True)
    figure = line_chart("x", [curve], logarithmic=logarithmic)
    for node in marks(figure, "polyline"):
        for point in node.get("points").split():
            x, y = map(float, point.split(","))
            assert -0.1 <= x <= WIDTH + 0.1 and -0.1 <= y <= HEIGHT + 0.1
    assert "nan" not in to_html(figure) and bool(marks(figure, "svg")) == any(abs(y) < 1e100 for _, y in points)


@given(NUMBERS, NUMBERS)
def test_ticks_enclose_and_are_few_and_even(low, high):
    low, high = min(low, high), max(low, high)
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-300)
    assert 2 <= len(found) <= 8 and found[0] <= low + slack and found[-1] >= high - slack
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert max(steps) - min(steps) <= 1e-6 * max(steps) + slack


@given(st.lists(st.tuples(st.integers(0, 10**6), NUMBERS), min_size=2, max_size=900, unique_by=lambda p: p[0]))
def test_thinning_keeps_ends_peaks_and_order(points):
    points.sort()
    kept = thinned(points, 100)
    assert len(kept) <= max(100, 2) and kept == sorted(kept) and set(kept) <= set(points)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert max(y for _, y in kept) == max(y for _, y in points) and min(y for _, y in kept) == min(y for _, y in points)


def test_smoothing_leaves_a_line_and_calms_noise():
    line = [(x, 2.0 * x) for x in range(20)]
    assert smoothed(line, 5)[:-2] == line[:-2]
    zigzag = [(x, float(x % 2)) for x in range(20)]
    assert max(abs(y - 0.5) for _, y in smoothed(zigzag, 7)[3:-3]) < 0.1


def test_elements_escape_and_nest():
    assert to_html(element("p", "1 < 2 ", element("b", "a&b"), [" c", None], class_="x")) == (
        '<p class="x">1 &lt; 2 <b>a&amp;b</b> c</p>')  # fmt: skip
    assert to_html(element("i", title='"<')) in ('<i title="&quot;<"></i>', '<i title="&quot;&lt;"></i>')
