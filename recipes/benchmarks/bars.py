"""A picture of a benchmark's rows: a bar each."""

from pathlib import Path


def draw_bars(values: dict[str, float], path: str, *, title: str, label: str) -> None:
    """Draw a bar for each side, this package's in another colour, with its figure beside it.

    Args:
        values: figure of each side, from top to bottom.
        path: PNG file to write.
        title: what is compared.
        label: what the figure is, with its unit.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    if not values:
        return
    figure, place = pyplot.subplots(figsize=(8, 1.1 + 0.34 * len(values)), layout="constrained")
    ours = ("keras_mlm", "SavedModel", "TFLite")
    colours = ["tab:blue" if name.startswith(ours) else "tab:gray" for name in values]
    bars = place.barh(list(values), list(values.values()), color=colours)
    place.bar_label(bars, [f"{value:,.4g}" for value in values.values()], padding=3, fontsize=9)
    place.invert_yaxis()
    place.margins(x=0.12)
    place.set(title=title, xlabel=label)
    place.spines[["top", "right"]].set_visible(False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
