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
_LABELLED_PANELS, _LABELLED_TOKENS = 16, 24
# Lines of less than this are not drawn.
_FAINTEST = 0.01


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
    down = -(-len(panels) // across)
    single = len(panels) == 1
    labelled = single or (len(panels) <= _LABELLED_PANELS and len(labels) <= _LABELLED_TOKENS)
    size = 9.0 if single else 6.0
    margin = size * 0.62 * max(map(columns, labels)) / 72 if labelled else 0.0
    cell = size * 1.55 / 72
    side = max(2.4 if single else 1.2, len(labels) * cell if labelled else 0.0)
    if lines:
        width, height = max(2.2 if single else 1.2, side * 0.6) + 2 * margin, side
    else:
        width, height = side + margin, side + margin
    figure = Figure(figsize=(across * (width + 0.3) + 0.9, down * (height + 0.45) + 0.4), layout="constrained", dpi=120)
    grid = figure.subplots(down, across, squeeze=False)
    # One scale for all panels, so that they compare.
    strongest = float(max(scores[place].max() for place in panels))
    text: dict[str, Any] = {"fontsize": size, "family": list(families), "parse_math": False}
    drawn = None
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_visible(False)
            continue
        at_layer, at_head = panels[number]
        axes.set_title(f"layer {at_layer}, head {at_head}", fontsize=9 if single else 7)
        if lines:
            _draw_lines(axes, scores[at_layer, at_head], labels if labelled else None, text)
        else:
            drawn = axes.imshow(scores[at_layer, at_head], cmap="Blues", vmin=0.0, vmax=strongest)
            _name_cells(axes, labels if labelled else None, text)
            if single:
                axes.set_ylabel("token that looks")
                axes.set_xlabel("token looked at")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=grid, shrink=0.8, aspect=30)
        bar.ax.tick_params(labelsize=7)
        bar.set_label("probability", fontsize=8)
    return figure


def _chosen(what: str, number: int | None, count: int) -> list[int]:
    if number is None:
        return list(range(count))
    if not isinstance(number, int | np.integer) or not -count <= number < count:
        raise InputError(f"the model has {what}s 0 to {count - 1}, not {number!r}")
    return [int(number) % count]


def _name_cells(axes: Any, labels: Sequence[str] | None, text: dict[str, Any]) -> None:
    if labels is None:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    places = range(len(labels))
    # Turned around their end, which stands at the cell also where a browser draws them with another font.
    axes.set_xticks(places, labels, rotation=90, rotation_mode="anchor", ha="left", va="center", **text)
    axes.set_yticks(places, labels, **text)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)


def _draw_lines(axes: Any, scores: np.ndarray, labels: Sequence[str] | None, text: dict[str, Any]) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    looking, seen = np.nonzero(scores >= _FAINTEST)
    strength = scores[looking, seen]
    colours = colormaps["tab10"](looking % 10)
    colours[:, 3] = strength
    ends = np.stack([np.zeros_like(strength), looking, np.ones_like(strength), seen], axis=1).reshape(-1, 2, 2)
    axes.add_collection(LineCollection(list(ends), colors=colours, linewidths=0.6 + 2.4 * strength))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_frame_on(False)
    axes.set_xticks([])
    if labels is None:
        axes.set_yticks([])
        return
    axes.set_yticks(range(len(labels)), labels, **text)
    other = axes.secondary_yaxis("right")
    other.set_yticks(range(len(labels)), labels, **text)
    for axis in (axes, other):
        axis.tick_params(length=0)
    other.spines["right"].set_visible(False)
