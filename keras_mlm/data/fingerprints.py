"""When two texts count as the same: normalised content, its hash, and a set of hashes that lives on disk."""

import hashlib
import re
import sqlite3

# Sentences shorter than this are common property ("He did not answer."); finding one twice is no leak.
LEAK_WORDS = 8

# Chinese characters and kana count as words: there are no spaces between them.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|[^\s\u3000-\u9fff\uf900-\uffef]+")


def normalize(text: str) -> str:
    """Return a text in lower case with single spaces: what is compared when texts are compared."""
    return " ".join(text.lower().split())


def fingerprint(normalized: str) -> int:
    """Return a signed 64-bit hash of a normalised text, the same on every machine."""
    digest = hashlib.blake2b(normalized.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def is_telling(normalized: str) -> bool:
    """Return whether a normalised sentence is long enough, eight words, that meeting it twice is no chance."""
    if normalized.isascii():
        return normalized.count(" ") >= LEAK_WORDS - 1
    return len(normalized) >= LEAK_WORDS and len(words_of(normalized)) >= LEAK_WORDS


def words_of(normalized: str) -> list[str]:
    """Return the words of a normalised text; a Chinese character or kana is one."""
    return _WORD.findall(normalized)


class FingerprintSet:
    """A set of fingerprints in a temporary database, which goes to disk when it outgrows its cache of 64 MB.

    Example:
        ```python
        seen = FingerprintSet()
        seen.add(7)  # True: it is new
        seen.add(7)  # False
        ```
    """

    def __init__(self) -> None:
        # An empty name asks SQLite for a private file that is removed when it is closed, however the process ends.
        self._database = sqlite3.connect("")
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;"
            "CREATE TABLE seen (fingerprint INTEGER PRIMARY KEY)"
        )

    def add(self, value: int) -> bool:
        """Add a fingerprint; return whether it was new."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (value,)).rowcount == 1

    def close(self) -> None:
        """Remove the database."""
        self._database.close()
