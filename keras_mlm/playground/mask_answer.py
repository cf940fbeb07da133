"""What stands in the place of a mask."""

from typing import Any

from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.playground.elements import Bar, bars, check_typed, percent, quiet, unsure
from keras_mlm.playground.mask_words import MASK
from keras_mlm.report.element import Element, element

# A first guess below this is as good as none.
UNSURE = 0.25
_MOST_MASKS = 12


def mask_answer(model: Any, text: str, top_k: int = 8) -> Element:
    """Return a text with its masks filled, and the candidates of each with their probabilities.

    Args:
        model: `BertPretrainer` with a tokenizer.
        text: str with at least one `[MASK]`.
        top_k: int, candidates a mask. Defaults to `8`.

    Returns:
        An `Element`.

    Raises:
        InputError: the model fills no masks, or the text is empty, too long or without `[MASK]`.

    Example:
        ```python
        page_html(mask_answer(load_model("saved_models/news"), "Paris is the [MASK] of France ."))
        ```
    """
    if not isinstance(model, BertPretrainer):
        raise InputError("this model is fine-tuned and fills no masks: open a pre-trained one for that")
    check_typed(text)
    if MASK not in text:
        raise InputError(f"nothing is masked: tick a word, or type {MASK} where a word is to be filled in")
    masks = model.fill_mask(text, top_k=min(top_k, model.config.vocabulary_size))[0]
    first, *rest = text.split(MASK)
    filled: list[Any] = [first]
    for candidates, after in zip(masks, rest, strict=True):
        best = candidates[0]
        sure = "" if best.score >= UNSURE else " mlm-doubtful"
        filled += [element("mark", best.token, class_=f"mlm-masked{sure}", title=percent(best.score)), after]
    parts = [element("p", filled, dir="auto")]
    doubtful = sum(candidates[0].score < UNSURE for candidates in masks)
    if doubtful:
        most = max((candidates for candidates in masks if candidates[0].score < UNSURE), key=lambda of: of[0].score)
        where = "It is unsure here" if len(masks) == 1 else f"It is unsure at {doubtful} of {len(masks)} masks"
        together = sum(candidate.score for candidate in most)
        parts.append(
            unsure(f"{where}: the best guess has {percent(most[0].score)}, these {len(most)} together {together:.0%}.")
        )
    for number, candidates in enumerate(masks[:_MOST_MASKS], 1):
        caption = "in the place of the mask" if len(masks) == 1 else f"in the place of mask {number}"
        parts.append(bars(caption, [Bar(candidate.token, candidate.score) for candidate in candidates]))
    if len(masks) > _MOST_MASKS:
        parts.append(quiet(f"{len(masks) - _MOST_MASKS} more masks are filled above, without a table."))
    if len(masks) > 1:
        parts.append(quiet("Each mask is filled on its own: it does not know what the others were filled with."))
    return element("div", parts)
