"""The curves of a run as a picture."""

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.report.curve_section import curve_charts
from keras_mlm.report.run_record import RunRecord
from keras_mlm.visualize.fonts import check_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By the numbers that `Curve` has.
_COLOURS = {1: "#2459c9", 2: "#c2570c", 3: "#0b7a75", 4: "#8a3ffc"}


def training_curves_figure(run_folder: str) -> "Figure":
    """Draw the curves of a run: what was learned, and how the training went; the charts are those of `report.html`.

    Args:
        run_folder: str, the model folder of a finished, running or interrupted run, or `run` in it.

    Returns:
        A `matplotlib.figure.Figure`, two charts a row.

    Raises:
        InputError: no run, no curves yet, or no matplotlib.

    Example:
        ```python
        training_curves_figure("saved_models/news").savefig("curves.png")
        ```
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    inside = not tf.io.gfile.exists(tf.io.gfile.join(run_folder, "config.json")) and tf.io.gfile.exists(
        tf.io.gfile.join(run_folder, "run.json")
    )
    record = RunRecord.read(run_folder.rstrip("/").rpartition("/")[0] or "." if inside else run_folder)
    charts = list(curve_charts(record))
    if not charts:
        raise InputError(f"{run_folder} has no curves yet: the first points come after some steps of training")
    across = min(2, len(charts))
    down = -(-len(charts) // across)
    figure = Figure(figsize=(5.2 * across, 2.9 * down), layout="constrained", dpi=120)
    grid = figure.subplots(down, across, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(charts):
            axes.set_visible(False)
            continue
        chart = charts[number]
        for curve in chart.curves:
            steps, values = zip(*curve.points, strict=True) if curve.points else ((), ())
            axes.plot(
                steps,
                values,
                color=_COLOURS[curve.colour],
                alpha=0.35 if curve.faint else 1.0,
                linewidth=0.8 if curve.faint else 1.6,
                marker="o" if curve.marked or len(curve.points) == 1 else None,
                markersize=3,
                label=curve.label or None,
            )
        axes.set_title(chart.title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(which="both", labelsize=8)
        axes.grid(color="0.9", linewidth=0.6)
        if chart.logarithmic and all(value > 0 for curve in chart.curves for _, value in curve.points):
            axes.set_yscale("log")
        elif chart.from_zero:
            axes.set_ylim(bottom=0.0)
        if any(curve.label for curve in chart.curves):
            axes.legend(fontsize=8, frameon=False)
    return figure
