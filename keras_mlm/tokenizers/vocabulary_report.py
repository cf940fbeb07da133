"""What training a vocabulary gave."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VocabularyReport:
    """A trained vocabulary and how well it spells the text that it comes from.

    Args:
        vocabulary: list of str in the order of their ids, the special tokens first.
        asked: int, the size that was asked for.
        found: int, the size that came out.
        alphabet: int, how many single characters it holds.
        coverage: float, the share of the text's characters, spaces left out, that are in the alphabet.
        unknown_rate: float, the share of the text's words that become [UNK].
    """

    vocabulary: list[str]
    asked: int
    found: int
    alphabet: int
    coverage: float
    unknown_rate: float
