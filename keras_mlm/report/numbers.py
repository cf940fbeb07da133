"""Numbers as people read them."""

import math
from typing import Any


def short(value: float) -> str:
    """Return a number in a few characters: `0.0021`, `4.38`, `12,000`, `1.3M`, `2e-07`."""
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    for limit, sign in ((1e9, "G"), (1e6, "M")):
        if size >= limit:
            return f"{value / limit:.4g}{sign}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0e}" if 0 < size < 1e-4 else f"{value:.4g}"


def shown(value: Any) -> str:
    """Return a value of a table; what is a list or an object is joined."""
    if isinstance(value, bool) or value is None:
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(entry)}" for name, entry in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(shown(entry) for entry in value) or "–"
    return str(value)


def clock(seconds: float) -> str:
    """Return a length of time, as `48 s`, `12 min 5 s` or `3 h 20 min`."""
    if not math.isfinite(seconds):
        return str(seconds)
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
