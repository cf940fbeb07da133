"""Attention as pictures: heat maps, or lines between two columns of tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.visualize.attention_scores import attention_scores
from keras_mlm.visualize.fonts import check_matplotlib, columns, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More tokens than this are no picture that anyone can read.
MOST_TOKENS = 96
# So many small panels, of so many tokens, still have room for the tokens.
_NAMED_PANELS, _NAMED_TOKENS = 16, 24
# So many strengths of lines are told apart; what rounds to none of them is not drawn.
_STRENGTHS = 32


def attention_figure(
    model: Any, text: str | tuple[str, str], layer: int | None = None, head: int | None = None, *, lines: bool = False
) -> "Figure":
    """Draw where each token of a text looks, in one head or in many.

    The probabilities are those of `attention_scores`; all panels of a figure share one scale. A token whose characters
    no font of this machine has is written as its place.

    Args:
        model: `BertPretrainer`, `BertTextClassifier` or `BertTokenClassifier` with a tokenizer.
        text: str or pair of str, of at most 96 tokens, special ones included.
        layer: int, from 0; negative ones count from the end. Defaults to `None`, all layers, a row each.
        head: int, likewise. Defaults to `None`, all heads, a column each.
        lines: bool, whether to draw lines from the tokens to what they look at, as strong as the probability, instead
            of heat maps whose rows are the tokens that look. Defaults to `False`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: a layer or head that the model does not have, too many tokens, or no matplotlib; or as
            `attention_scores`.

    Example:
        ```python
        figure = attention_figure(load_model("saved_models/news"), "Paris is the [MASK] of France .", layer=0, head=1)
        figure.savefig("attention.png")
        ```

    References:
        - [What Does BERT Look At?](https://arxiv.org/abs/1906.04341)
    """
    check_matplotlib()
    tokens, scores = attention_scores(model, text)
    labels, families = drawable(tokens)
    return attention_panels(labels, scores, layer, head, lines=lines, families=families)


def attention_panels(
    labels: Sequence[str],
    scores: np.ndarray,
    layer: int | None = None,
    head: int | None = None,
    *,
    lines: bool = False,
    families: Sequence[str],
) -> "Figure":
    """Draw attention probabilities; arguments as of `attention_figure`.

    Args:
        labels: sequence of str, what to write for the tokens.
        scores: float array `(layers, heads, tokens, tokens)`.
        layer: int. Defaults to `None`, all.
        head: int. Defaults to `None`, all.
        lines: bool. Defaults to `False`, heat maps.
        families: sequence of str, names of the fonts for the labels.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    if len(labels) > MOST_TOKENS:
        raise InputError(f"a picture of attention holds {MOST_TOKENS} tokens, the text has {len(labels)}: shorten it")
    layers = _chosen("layer", layer, scores.shape[0])
    heads = _chosen("head", head, scores.shape[1])
    panels = [(at_layer, at_head) for at_layer in layers for at_head in heads]
    across = len(heads) if len(layers) > 1 and len(heads) > 1 else min(4, len(panels))
    count, single = len(labels), len(panels) == 1
    named = single or (len(panels) <= _NAMED_PANELS and count <= _NAMED_TOKENS)
    size = 9.0 if single else 6.5
    least = 170.0 if single else 86.0
    # All lies in one field, whose unit is a cell of the heat maps: axes for each panel would take seconds. The names
    # of the tokens stand beside and above the outer panels.
    cell = max(least, count * size * 1.55 if named else 0.0) / count
    line, gap = 1.4 * size / cell, 12 / cell
    room = (size * 0.62 * max(map(columns, labels)) + 6) / cell if named else gap
    wide = max(least / cell, count * 0.6) if lines else float(count)
    above = 2 * line + (room if named and not lines else 0.0)
    lefts = [room + number % across * (wide + gap) for number in range(len(panels))]
    tops = [above + number // across * (count + 2 * line) for number in range(len(panels))]
    right = max(lefts) + wide + (room if lines else 60 / cell)
    bottom = tops[-1] + count + line * (2 if single else 1)
    figure = Figure(figsize=(right * cell / 72, bottom * cell / 72), dpi=120)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    places = list(zip(lefts, tops, strict=True))
    for (at_layer, at_head), (left, top) in zip(panels, places, strict=True):
        over = top - line / 2 - (above - 2 * line if top == above else 0.0)
        axes.text(left + wide / 2, over, f"layer {at_layer}, head {at_head}", fontsize=size, ha="center")
    if lines:
        _draw_lines(axes, [scores[panel] for panel in panels], places, wide)
    else:
        # One scale for all panels, so that they compare.
        strongest = float(max(scores[panel].max() for panel in panels))
        for panel, (left, top) in zip(panels, places, strict=True):
            _draw_cells(axes, scores[panel], strongest, (left, left + count, top + count, top))
        scale = (right - 44 / cell, right - 36 / cell, above + count, above)
        _draw_cells(axes, np.linspace(strongest, 0.0, 64)[:, None], strongest, scale)
        for share, height in ((strongest, scale[3]), (0.0, scale[2])):
            axes.text(right - 33 / cell, height, f"{share:.0%}", fontsize=size, va="center")
    if single and not lines:
        axes.text(
            lefts[0] + wide / 2, bottom - line / 2, "each row: where that token looks", fontsize=size, ha="center"
        )
    if named:
        text: dict[str, Any] = {"fontsize": size, "family": list(families), "parse_math": False}
        for row in range(0, len(panels), across):
            last = min(row + across, len(panels)) - 1
            for number, label in enumerate(labels, 1):
                height = tops[row] + number - 0.5
                axes.text(room - 3 / cell, height, label, ha="right", va="center", **text)
                if lines:
                    axes.text(lefts[last] + wide + 3 / cell, height, label, va="center", **text)
        for left in [] if lines else lefts[:across]:
            for number, label in enumerate(labels, 1):
                # Turned around its end, which stands at the cell also where a browser draws it with another font.
                axes.text(left + number - 0.5, above - 3 / cell, label, rotation=90, rotation_mode="anchor",
                          va="center", **text)  # fmt: skip
    axes.set_xlim(0, right)
    axes.set_ylim(bottom, 0)
    return figure


def _chosen(what: str, number: int | None, count: int) -> list[int]:
    if number is None:
        return list(range(count))
    if not isinstance(number, int | np.integer) or not -count <= number < count:
        raise InputError(f"the model has {what}s 0 to {count - 1}, not {number!r}")
    return [int(number) % count]


def _draw_cells(axes: Any, shares: np.ndarray, strongest: float, extent: tuple[float, float, float, float]) -> None:
    # Without interpolation an SVG holds a pixel a cell.
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=strongest, extent=extent, interpolation="none", aspect="auto")


def _draw_lines(axes: Any, scores: Sequence[np.ndarray], places: Sequence[tuple[float, float]], wide: float) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    # All lines of one colour and strength are one path with gaps: thousands of single ones would take seconds.
    ends: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for panel, (left, top) in zip(scores, places, strict=True):
        strengths = np.rint(_STRENGTHS * panel).astype(int)
        for looking, seen in np.argwhere(strengths):
            line = [(left, top + looking + 0.5), (left + wide, top + seen + 0.5)]
            ends.setdefault((strengths[looking, seen], looking % 10), []).extend(line)
    drawn = sorted(ends)  # the strongest over the others
    paths = [Path(ends[key], [Path.MOVETO, Path.LINETO] * (len(ends[key]) // 2)) for key in drawn]
    strength = np.array([key[0] for key in drawn]) / _STRENGTHS
    colours = colormaps["tab10"]([key[1] for key in drawn])
    colours[:, 3] = strength
    axes.add_collection(PathCollection(paths, facecolors="none", edgecolors=colours, linewidths=0.6 + 2.4 * strength))
