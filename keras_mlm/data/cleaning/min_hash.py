"""Signatures of texts, by which their similarity is estimated."""

import zlib

import numpy as np

from keras_mlm.data.fingerprints import normalize, words_of
from keras_mlm.data.integer_hash import mix

HASHES = 128
# Runs of as many words are compared; a Chinese character is a word.
SHINGLE = 5
# Shingles that are hashed at once: 4 MB.
_AT_ONCE = 4096

_PLACES = np.arange(1, HASHES + 1, dtype=np.uint64)
_FACTORS = mix(_PLACES, np.array([1])) | np.uint64(1)
_OFFSETS = mix(_PLACES, np.array([2]))


def min_hash(text: str) -> np.ndarray | None:
    """Return the signature of a text: of each of 128 hash functions the smallest value over its runs of five words.

    The share of equal places of two signatures estimates the share of runs that two texts have in common (their
    Jaccard similarity), give or take 0.04. Case and space do not count.

    Args:
        text: str; its words are what stands between spaces, in Chinese the characters.

    Returns:
        uint32 array `(128,)`, the same on every machine; or `None` for a text without words.

    References:
        - [Broder, 1997](https://doi.org/10.1109/SEQUEN.1997.666900)
    """
    words = words_of(normalize(text))
    if not words:
        return None
    hashes = np.fromiter(
        (zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words), dtype=np.uint64, count=len(words)
    )
    width = min(SHINGLE, len(words))
    runs = len(words) - width + 1
    shingles = np.zeros(runs, np.uint64)
    for place in range(width):
        shingles += mix(hashes[place : place + runs], np.array([place]))
    shingles = mix(np.unique(shingles), np.array([0]))
    signature = np.full(HASHES, np.iinfo(np.uint32).max, np.uint32)
    for start in range(0, len(shingles), _AT_ONCE):
        # Multiply-shift: the upper half of a product of 64 bits is as good as random.
        values = (_FACTORS[:, None] * shingles[start : start + _AT_ONCE] + _OFFSETS[:, None]) >> np.uint64(32)
        np.minimum(signature, values.min(axis=1).astype(np.uint32), out=signature)
    return signature
