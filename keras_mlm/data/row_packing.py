"""Puts pieces of several documents into one row, so that next to nothing of it is padding."""

import bisect
import heapq
from typing import NamedTuple

import numpy as np

# [CLS] and [SEP] around every piece.
SPECIAL = 2
# Nothing is cut to fill up rows once less than this share of them is padding.
PADDING = 0.01
# What is cut off has at least so many tokens.
SHORTEST = 8


class Packing(NamedTuple):
    """Which piece lies in which row.

    Args:
        sources: int32 `(pieces,)`, the number of the span of text that a piece is of.
        offsets: int32 `(pieces,)`, where in that span it begins.
        lengths: int32 `(pieces,)`, its tokens, special ones not counted.
        splits: int32 `(rows + 1,)`, where the rows begin in the other three.
    """

    sources: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    splits: np.ndarray


def pack(lengths: np.ndarray, room: int) -> Packing:
    """Return spans of text in as few rows as greedy best fit finds, the longest first.

    A span goes, with its `[CLS]` and `[SEP]`, into the row with the least room that still holds it, or begins a new
    one. Where that leaves more than 1 % padding, as with many spans just longer than half a row, the emptiest rows
    are taken apart again and what they hold is cut to fill the others.

    The number of rows, and which rank of length lies where, depend on the multiset of lengths only: it can be known
    before anything is read.

    Args:
        lengths: int array `(spans,)`, each at least 1 and at most `room - 2`.
        room: int, tokens a row.

    Returns:
        A `Packing`.

    Example:
        ```python
        pack(np.array([3, 9, 2]), room=12).splits  # [0, 1, 3]: the 9 alone, then the 3 and the 2
        ```
    """
    order = np.argsort(-lengths, kind="stable")
    ranked = lengths[order].astype(np.int64)
    rows = _best_fit(ranked + SPECIAL, room)
    pieces = np.stack([rows, order, np.zeros_like(order), ranked])
    pieces = _cut(pieces, room)
    pieces = pieces[:, np.argsort(pieces[0], kind="stable")]
    _, counts = np.unique(pieces[0], return_counts=True)
    _, sources, offsets, lengths = pieces.astype(np.int32)
    return Packing(sources, offsets, lengths, np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))


def _best_fit(sizes: np.ndarray, room: int) -> np.ndarray:
    """Return the row of each of some sizes, given in decreasing order."""
    rows = np.empty(len(sizes), np.int64)
    # Equal sizes at once: where one fits best, more of them fit best until the row has no room for another.
    begins = np.flatnonzero(np.diff(sizes, prepend=0))
    open_rows: dict[int, np.ndarray] = {}  # by the room left
    rooms: list[int] = []  # the keys, sorted
    opened = 0
    for begin, end in zip(begins, [*begins[1:], len(sizes)], strict=True):
        size, place = int(sizes[begin]), int(begin)
        while place < end:
            at = bisect.bisect_left(rooms, size)
            left = rooms[at] if at < len(rooms) else room
            each = left // size
            wanted = -(-(int(end) - place) // each)
            if at < len(rooms):
                chosen, rest = open_rows[left][:wanted], open_rows[left][wanted:]
                if len(rest):
                    open_rows[left] = rest
                else:
                    del open_rows[left], rooms[at]
            else:
                chosen = np.arange(opened, opened + wanted)
                opened += wanted
            placed = min(int(end) - place, each * len(chosen))
            rows[place : place + placed] = np.repeat(chosen, each)[:placed]
            place += placed
            in_last = placed - each * (len(chosen) - 1)
            for some, left_over in ((chosen[:-1], left - each * size), (chosen[-1:], left - in_last * size)):
                if len(some) and left_over in open_rows:
                    open_rows[left_over] = np.concatenate([open_rows[left_over], some])
                elif len(some) and left_over > SPECIAL:
                    open_rows[left_over] = some
                    bisect.insort(rooms, left_over)
    return rows


def _cut(pieces: np.ndarray, room: int) -> np.ndarray:
    """Take the emptiest rows apart and fill up others with what they hold, until little padding is left."""
    rows = pieces[0]
    used = np.bincount(rows, weights=pieces[3] + SPECIAL).astype(np.int64)
    padding, count = int(len(used) * room - used.sum()), len(used)
    if padding <= PADDING * count * room:
        return pieces
    # Rooms of less than a sixteenth of a row would take too many cuts.
    least = max(2 * SHORTEST + SPECIAL, room // 16)
    emptiest_first = sorted((int(size) - room, row) for row, size in enumerate(used) if room - size >= least)
    # A heap, as it is sorted: rows that something was already put into come first, then those with most room.
    rooms = [(True, negative, row) for negative, row in emptiest_first]
    members = np.split(np.argsort(rows, kind="stable"), np.cumsum(np.bincount(rows))[:-1])
    kept = np.ones(len(rows), bool)
    apart: set[int] = set()
    filled: set[int] = set()
    cut: list[tuple[int, int, int, int]] = []
    for _, emptiest in emptiest_first:
        if padding <= PADDING * count * room:
            break
        if emptiest in filled:
            continue
        apart.add(emptiest)
        parts = _parts(pieces[:, members[emptiest]], rooms, apart, least)
        if parts is None:
            break
        kept[members[emptiest]] = False
        filled.update(part[0] for part in parts)
        cut += parts
        padding -= room + SPECIAL * (len(parts) - len(members[emptiest]))
        count -= 1
    return np.concatenate([pieces[:, kept], np.array(cut, np.int64).reshape(-1, 4).T], axis=1)


def _parts(
    pieces: np.ndarray, rooms: list[tuple[bool, int, int]], apart: set[int], least: int
) -> list[tuple[int, int, int, int]] | None:
    """Return pieces cut for the first rooms, which are used up; `None` where there is not enough room."""
    parts = []
    for _, source, offset, left in pieces.T.tolist():
        while left:
            while rooms and rooms[0][2] in apart:
                heapq.heappop(rooms)
            if not rooms:
                return None
            _, negative, row = heapq.heappop(rooms)
            length = min(left, -negative - SPECIAL)
            if 0 < left - length < SHORTEST:
                length = left - SHORTEST
            parts.append((row, source, offset, length))
            offset, left = offset + length, left - length
            if -negative - length - SPECIAL >= least:
                heapq.heappush(rooms, (False, negative + length + SPECIAL, row))
    return parts
