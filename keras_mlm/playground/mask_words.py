"""The words of a text that can be clicked to be masked."""

from collections.abc import Sequence
from typing import Any

from keras_mlm.errors import InputError

MASK = "[MASK]"
# More of them are no list that anyone clicks through.
MOST_WORDS = 120


def clickable_words(model: Any, text: str) -> list[tuple[str, str]]:
    """Return the first 120 words of a text, without those that are `[MASK]` already.

    Args:
        model: model with a tokenizer, whose words they are: a Chinese character is a word.
        text: str.

    Returns:
        A list of (the word as it is written, its place as `"start-end"`).

    Raises:
        InputError: the model has no tokenizer.

    Example:
        ```python
        clickable_words(model, "Paris is [MASK] .")  # [("Paris", "0-5"), ("is", "6-8"), (".", "16-17")]
        ```
    """
    if model.tokenizer is None:
        raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")
    # A word takes a character at least, and few take more than 50.
    text = text[: 50 * MOST_WORDS]
    parts = text.split(MASK)
    found = model.tokenizer.words(parts)
    places: list[tuple[str, str]] = []
    word = offset = 0
    for part, count in zip(parts, found.word_counts.tolist(), strict=True):
        for start, end in zip(found.starts[word : word + count], found.ends[word : word + count], strict=True):
            places.append((part[start:end], f"{offset + start}-{offset + end}"))
        word += count
        offset += len(part) + len(MASK)
    return places[:MOST_WORDS]


def with_masks(model: Any, text: str, chosen: Sequence[str]) -> str:
    """Return a text with `[MASK]` in the place of words.

    Args:
        model: model with a tokenizer.
        text: str.
        chosen: sequence of places as `clickable_words` gives them.

    Returns:
        A str.

    Raises:
        InputError: the text has no such words: it was changed after they were listed.
    """
    known = {place for _, place in clickable_words(model, text)} if chosen else set()
    if not set(chosen) <= known:
        raise InputError("the text was changed after its words were listed: press Go first")
    for start, end in sorted((tuple(map(int, place.split("-"))) for place in chosen), reverse=True):
        text = text[:start] + MASK + text[end:]
    return text
