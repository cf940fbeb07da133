"""Compares the settings of a run with those that are asked for now."""

import json
from typing import Any


def settings_difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return what differs between two nested dicts of plain data, in one line; an empty string if nothing does.

    Args:
        before: dict, the settings that were stored.
        now: dict, the settings asked for.

    Returns:
        str such as `"pretraining.learning_rate 0.001 (now 0.002), data.tokens 9 (now 12)"`.

    Example:
        ```python
        settings_difference({"a": {"b": 1}}, {"a": {"b": 2}})  # "a.b 1 (now 2)"
        ```
    """
    old, new = _flat(json.loads(json.dumps(before))), _flat(json.loads(json.dumps(now)))
    names = [name for name in {**old, **new} if name not in old or name not in new or old[name] != new[name]]
    return ", ".join(f"{name} {_shown(old, name)} (now {_shown(new, name)})" for name in names)


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _shown(data: dict[str, Any], name: str) -> str:
    return json.dumps(data[name], ensure_ascii=False) if name in data else "absent"
