"""How texts that are too long become rows: one rule for training, prediction and exported graphs."""

from collections.abc import Callable
from typing import Any

# `truncate` keeps the beginning, `head_tail` the beginning and the end, `windows` all of it in several rows.
LONG_TEXT = ("truncate", "head_tail", "windows")


def kept_lengths(
    first: Any,
    second: Any,
    room: int,
    minimum: Callable[[Any, Any], Any] = min,
    maximum: Callable[[Any, Any], Any] = max,
) -> tuple[Any, Any]:
    """Return how many tokens two segments keep: the longer one is cut until both are equally long, then both.

    Args:
        first: tokens of the first segment, int or int tensor.
        second: tokens of the second segment, the same.
        room: int, tokens that both may have together.
        minimum: callable, of two values; `tf.minimum` for tensors. Defaults to `min`.
        maximum: callable, of two values; `tf.maximum` for tensors. Defaults to `max`.

    Returns:
        Two values like `first` and `second`.

    Example:
        ```python
        kept_lengths(9, 3, room=8)  # (5, 3)
        ```
    """
    half = room // 2
    return minimum(first, maximum(room - second, room - half)), minimum(second, maximum(room - first, half))


def head_and_tail(kept: Any) -> tuple[Any, Any]:
    """Return how many of the kept tokens are from the beginning and how many from the end of a segment.

    The paper keeps a quarter from the beginning, of 510 tokens; in shorter rows half is more robust.

    References:
        - [How to fine-tune BERT for text classification?](https://arxiv.org/abs/1905.05583), section 5.3.1
    """
    return kept - kept // 2, kept // 2


def window_starts(tokens: int, room: int) -> list[int]:
    """Return where the windows of a text begin: neighbours share at least a quarter, the last ends with the text.

    Args:
        tokens: int, tokens of the text.
        room: int, tokens of a window.

    Returns:
        List of int, at least one.

    Example:
        ```python
        window_starts(20, room=8)  # [0, 6, 12]
        ```
    """
    if tokens <= room:
        return [0]
    return [*range(0, tokens - room, room - room // 4), tokens - room]
