"""Counts the exact copies among any number of token runs, in bounded memory."""

import contextlib
import dataclasses
import heapq
import tempfile
from typing import IO, NamedTuple

import numpy as np

# Runs are sorted out by their hashes, so that one part after the other fits into memory: 80 MB each of 100 million.
_PARTS = 32
_ENTRY = np.dtype([("hash", "<u8"), ("place", "<i8"), ("tokens", "<i8")])


class Repeated(NamedTuple):
    """A run that occurs more than once.

    Args:
        times: int, how often.
        place: int, where its first token stands the first time.
        tokens: int, its length.
    """

    times: int
    place: int
    tokens: int


@dataclasses.dataclass(frozen=True)
class Repeats:
    """What was counted.

    Args:
        runs: int, how many runs there are.
        copies: int, how many of them equal an earlier one.
        copied_tokens: int, the tokens of these.
        shared: int, how many runs of the second half occur in the first half too.
        most_frequent: list of `Repeated`, the most frequent first.
    """

    runs: int
    copies: int
    copied_tokens: int
    shared: int
    most_frequent: list[Repeated]


class RepeatCounter:
    """Takes hashes of runs and says how many are copies; the hashes lie in unnamed temporary files.

    Example:
        ```python
        with RepeatCounter() as counter:
            counter.add(np.array([7, 7], "uint64"), np.array([0, 5]), np.array([5, 5]))
            counter.count(second_half=10).copies  # 1
        ```
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._parts: list[IO[bytes]] = []
        for _ in range(_PARTS):
            self._parts.append(self._stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115 (closed by the context)

    def add(self, hashes: np.ndarray, places: np.ndarray, tokens: np.ndarray) -> None:
        """Take some more runs.

        Args:
            hashes: uint64 array `(runs,)`.
            places: int64 array `(runs,)`, where they begin, in rising order from call to call too.
            tokens: int64 array `(runs,)`, their lengths.
        """
        entries = np.empty(len(hashes), _ENTRY)
        entries["hash"], entries["place"], entries["tokens"] = hashes, places, tokens
        part = hashes % np.uint64(_PARTS)
        order = np.argsort(part, kind="stable")
        bounds = np.searchsorted(part[order], np.arange(_PARTS + 1))
        entries = entries[order]
        for number, file in enumerate(self._parts):
            file.write(entries[bounds[number] : bounds[number + 1]].tobytes())

    def count(self, second_half: int, most_frequent: int = 5) -> Repeats:
        """Return what there is.

        Args:
            second_half: int, the place where the second half begins.
            most_frequent: int, how many of the most frequent runs to name. Defaults to `5`.

        Returns:
            `Repeats`.
        """
        runs = copies = copied_tokens = shared = 0
        top: list[Repeated] = []
        for file in self._parts:
            file.seek(0)
            entries = np.frombuffer(file.read(), _ENTRY)
            if not len(entries):
                continue
            # Stable: the first of equal ones is the first in the corpus.
            entries = entries[np.argsort(entries["hash"], kind="stable")]
            first = np.flatnonzero(np.append(True, entries["hash"][1:] != entries["hash"][:-1]))
            counts = np.diff(np.append(first, len(entries)))
            in_first_half = np.add.reduceat((entries["place"] < second_half).astype(np.int64), first)
            runs += len(entries)
            copies += len(entries) - len(first)
            copied_tokens += int(entries["tokens"].sum() - entries["tokens"][first].sum())
            shared += int((counts - in_first_half)[in_first_half > 0].sum())
            often = np.flatnonzero(counts > 1)
            often = often[np.lexsort((entries["place"][first[often]], -counts[often]))[:most_frequent]]
            top += [
                Repeated(int(counts[run]), int(entries["place"][first[run]]), int(entries["tokens"][first[run]]))
                for run in often
            ]
        best = heapq.nsmallest(most_frequent, top, key=lambda run: (-run.times, run.place))
        return Repeats(runs, copies, copied_tokens, shared, best)

    def __enter__(self) -> "RepeatCounter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
