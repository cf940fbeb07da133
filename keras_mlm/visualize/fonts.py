"""Fonts for labels in any script, and what to write where no font has the characters."""

import logging
import unicodedata
from collections.abc import Sequence
from functools import cache

from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)

EXTRA = "figures need matplotlib: pip install 'keras-mlm[playground]'"
# Fonts with Chinese characters, as systems call them; the first that is there is taken.
_CJK = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
        "PingFang SC", "Microsoft YaHei", "SimHei", "Droid Sans Fallback")  # fmt: skip
_USUAL = ["DejaVu Sans"]  # comes with matplotlib


def check_matplotlib() -> None:
    """Raise `InputError` where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(EXTRA) from None


def chinese_fonts() -> list[str] | None:
    """Return the names of fonts to write Chinese with, or `None` where this machine has none."""
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return next(([family, *_USUAL] for family in _CJK if family in there), None)


def drawable(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return labels that can be drawn, and the fonts to draw them with.

    Args:
        labels: sequence of str, such as tokens.

    Returns:
        A list of as many str, where a label whose characters no font here has is `#` and its place, from 0 on; and a
        list of str, the names of fonts.
    """
    families = chinese_fonts() or _USUAL
    known = _characters(tuple(families))
    drawn = [
        label if all(ord(character) in known for character in label) else f"#{place}"
        for place, label in enumerate(labels)
    ]
    if drawn != list(labels):
        logger.warning("no font here has the characters of some tokens: these are written as their place in the text")
    return drawn, families


def columns(text: str) -> int:
    """Return how many columns of a fixed-width font a text takes; Chinese characters take two."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


@cache
def _characters(families: tuple[str, ...]) -> frozenset[int]:
    from matplotlib import font_manager

    paths = {font_manager.findfont(family) for family in families}
    return frozenset(code for path in paths for code in font_manager.get_font(path).get_charmap())
