"""Which documents are nearly the same as an earlier one."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from keras_mlm.data.cleaning.min_hash import HASHES, min_hash
from keras_mlm.data.documents import Document
from keras_mlm.data.integer_hash import mix
from keras_mlm.data.left_out import LeftOut, start_of

# Bands are as wide as still finds so many of the pairs that are just similar enough.
_RECALL = 0.99
# Documents of a band that are compared, so that a text pattern that all share costs no more than others.
_COMPARED = 8


class Similar(NamedTuple):
    """An earlier document that is nearly the same.

    Args:
        similarity: float, the estimated share of runs of words in common.
        place: str, where it stands.
        start: str, how it begins.
    """

    similarity: float
    place: str
    start: str


class NearRepeats:
    """Remembers documents and finds those that are nearly the same as an earlier one, by MinHash and LSH.

    Signatures lie in a temporary database on disk, about 1.5 kB a document, with a cache of 64 MB in memory: a million
    documents take no more memory than a thousand.

    Args:
        threshold: float above 0, at most 1, the share of runs of five words that two documents have in common.

    Example:
        ```python
        near_repeats = NearRepeats(0.8)
        near_repeats.find_or_add(document)  # None: the first of its kind
        ```

    References:
        - [Leskovec, Rajaraman and Ullman, 2020, chapter 3](http://www.mmds.org/)
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._width = band_width(threshold)
        self._count = 0
        # An empty name asks SQLite for a private file that is removed when it is closed, however the process ends.
        self._database = sqlite3.connect("")
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;"
            "CREATE TABLE bands (key INTEGER, document INTEGER, PRIMARY KEY (key, document)) WITHOUT ROWID;"
            "CREATE TABLE documents (document INTEGER PRIMARY KEY, signature BLOB, place TEXT, start TEXT)"
        )

    def find_or_add(self, document: Document) -> Similar | None:
        """Return the most similar of the earlier documents if it is similar enough, else remember this one.

        Args:
            document: `Document`.

        Returns:
            `Similar`, or `None`; of equally similar ones the first.
        """
        signature = min_hash(document.text)
        if signature is None:
            return None
        keys = [(key,) for key in self._band_keys(signature)]
        candidates = {found for key in keys for (found,) in self._database.execute(_SAME_BAND, key)}
        best, similarity = None, 0.0
        for candidate in sorted(candidates):
            (data,) = self._database.execute(
                "SELECT signature FROM documents WHERE document = ?", (candidate,)
            ).fetchone()
            equal = float(np.mean(np.frombuffer(data, np.uint32) == signature))
            if equal > similarity:
                best, similarity = candidate, equal
        if best is not None and similarity >= self._threshold:
            place = self._database.execute("SELECT place, start FROM documents WHERE document = ?", (best,)).fetchone()
            return Similar(similarity, *place)
        self._database.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?)",
            (self._count, signature.tobytes(), document.place, start_of(document.text)),
        )
        self._database.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", [(*key, self._count) for key in keys])
        self._count += 1
        return None

    def close(self) -> None:
        """Remove the database."""
        self._database.close()

    def _band_keys(self, signature: np.ndarray) -> list[int]:
        bands = HASHES // self._width
        parts = signature[: bands * self._width].reshape(bands, self._width)
        keys = mix(parts, np.arange(self._width)).sum(axis=1, dtype=np.uint64)
        return mix(keys, np.arange(bands)).view(np.int64).tolist()


_SAME_BAND = f"SELECT document FROM bands WHERE key = ? ORDER BY document LIMIT {_COMPARED}"


def band_width(threshold: float) -> int:
    """Return how many of the 128 hashes make a band: two documents are compared where one whole band is equal."""
    widths = range(HASHES, 1, -1)
    return next((width for width in widths if 1 - (1 - threshold**width) ** (HASHES // width) >= _RECALL), 1)


def without_near_repeats(documents: Iterable[Document], threshold: float, left_out: LeftOut) -> Iterator[Document]:
    """Leave out documents that are nearly the same as an earlier one, counted as `"near_duplicate_documents"`.

    Args:
        documents: iterable of `Document`.
        threshold: float above 0, at most 1, see `NearRepeats`.
        left_out: `LeftOut` that counts.
    """
    near_repeats = NearRepeats(threshold)
    try:
        for document in documents:
            similar = near_repeats.find_or_add(document)
            if similar is None:
                yield document
            else:
                place = f"{document.place}, {similar.similarity:.2f} like {similar.place}"
                left_out.add("near_duplicate_documents", place, f"{start_of(document.text)} | {similar.start}")
    finally:
        near_repeats.close()
