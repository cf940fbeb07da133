"""Attention as a picture in the page, whose letters the browser draws with its own fonts."""

import base64
import io
import warnings
from typing import Any

from keras_mlm.playground.elements import check_typed
from keras_mlm.report.element import Element, element
from keras_mlm.visualize.attention_figure import attention_panels
from keras_mlm.visualize.attention_scores import attention_scores
from keras_mlm.visualize.fonts import check_matplotlib


def attention_answer(
    model: Any, text: str, layer: int | None = 0, head: int | None = 0, lines: bool = False
) -> Element:
    """Return where each token of a text looks, as an image with a description in words.

    Args:
        model: model with a tokenizer.
        text: str, of at most 96 tokens.
        layer: int, from 0; `None` for all. Defaults to `0`.
        head: int, from 0; `None` for all. Defaults to `0`.
        lines: bool, lines instead of a heat map. Defaults to `False`.

    Returns:
        An `Element`.

    Raises:
        InputError: as `attention_figure`, or the text is empty.
    """
    check_matplotlib()
    check_typed(text)
    import matplotlib

    tokens, scores = attention_scores(model, text)
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.fonttype": "none"}), io.BytesIO() as file:
        # This machine may lack the glyphs; it only measures, and the browser has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = attention_panels(tokens, scores, layer, head, lines=lines, families=["DejaVu Sans", "sans-serif"])
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        picture = base64.b64encode(file.getvalue()).decode()
    # As an image no script in it would run, and nothing would be fetched.
    image = element("img", src=f"data:image/svg+xml;base64,{picture}", alt=_description(tokens, scores, layer, head))
    return element("div", image)


def _description(tokens: list[str], scores: Any, layer: int | None, head: int | None) -> str:
    if layer is None or head is None:
        return f"attention of {len(tokens)} tokens in several heads"
    of_head = scores[layer, head]
    looks = (
        f"{token} at {tokens[int(row.argmax())]} {row.max():.0%}" for token, row in zip(tokens, of_head, strict=True)
    )
    return f"layer {layer}, head {head}, where each token looks most: " + "; ".join(looks)
