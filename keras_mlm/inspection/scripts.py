"""Which script a token is written in, by Unicode."""

import collections
import unicodedata
from collections.abc import Sequence

import numpy as np

from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS, continues_word

# Words that come before the name of the script in the names of some of its characters.
_FORMS = ("FULLWIDTH", "HALFWIDTH", "MODIFIER", "SMALL", "COMBINING")


def script_of(token: str) -> str:
    """Return the script of a token: that of most of its characters, of equals the first.

    Args:
        token: str, a token of a vocabulary.

    Returns:
        `"Latin"`, `"Han"`, `"digits"`, `"punctuation"` (symbols too), the name of another script as Unicode has it in
        the names of its letters (`"Cyrillic"`, `"Hiragana"`), `"other"`, or a special token itself.

    Example:
        ```python
        [script_of(token) for token in ("##ing", "国", "2026", "…")]  # ["Latin", "Han", "digits", "punctuation"]
        ```
    """
    if token in SPECIAL_TOKENS:
        return token
    characters = token[2:] if continues_word(token) else token
    return collections.Counter(map(_script, characters)).most_common(1)[0][0]


def script_shares(vocabulary: Sequence[str], token_counts: np.ndarray) -> dict[str, float]:
    """Return the share of each script among the tokens of a text.

    Args:
        vocabulary: sequence of str.
        token_counts: int array `(vocabulary_size,)`, how often each occurs.

    Returns:
        Dict of float, the largest first; they add up to 1. Empty where there are no tokens.
    """
    shares: collections.Counter[str] = collections.Counter()
    for token_id in np.flatnonzero(token_counts).tolist():
        shares[script_of(vocabulary[token_id])] += int(token_counts[token_id])
    return {script: count / int(token_counts.sum()) for script, count in shares.most_common()}


def _script(character: str) -> str:
    kind = unicodedata.category(character)[0]
    if kind == "N":
        return "digits"
    if kind in "PS":
        return "punctuation"
    words = unicodedata.name(character, "").split()
    if kind not in "LM" or not words:
        return "other"
    if words[0] in ("CJK", "IDEOGRAPHIC"):
        return "Han"
    name = next((word for word in words if word not in _FORMS), "")
    # `MODIFIER LETTER SMALL H` and `COMBINING ACUTE ACCENT` name no script.
    return "other" if name in ("", "LETTER") or words[0] == "COMBINING" else name.capitalize()
