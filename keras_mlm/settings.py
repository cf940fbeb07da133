"""Compares the settings of a run with those that are asked for now."""

import json
from typing import Any

_DIGESTS = "data.shards."


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
    # The first version's runs did not keep the digests of the shards.
    compared = new if any(name.startswith(_DIGESTS) for name in old) else _without_digests(new)
    names = [n for n in {**old, **compared} if n not in old or n not in new or old[n] != new[n]]
    return ", ".join(f"{name} {_shown(old, name)} (now {_shown(new, name)})" for name in names)


def _without_digests(flat: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flat.items() if not name.startswith(_DIGESTS)}


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
