"""Splits a line of English or Chinese text into sentences."""

import re
from collections.abc import Iterable

# What a full stop does not end a sentence after; the second only before a number.
_ABBREVIATION = re.compile(
    r"mrs?|ms|dr|prof|rev|hon|gen|col|maj|capt|cmdr|lt|sgt|cpl|pvt|adm|gov|sen|rep|pres|supt|insp|ste?|mt|ft|messrs"
    r"|mme|mlle|vs?|cf|viz|al|approx|ca|trans|dept|est|i\.e|e\.g|ph\.d|ibid|resp|incl|esp",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"nos?|pp?|figs?|eqs?|secs?|sect|chap|ch|vols?|art|ed|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec", re.IGNORECASE
)
_CLOSING = "\"'”’)\\]}»」』）】》〉"
_OPENING = "\"'“‘(\\[{«「『（【《〈"

# End marks, the quotes and brackets that close with them, and the space after. Full-width marks need no space.
_BREAK = re.compile(
    rf"(?P<wide>[!?…]*[。！？][。！？!?…]*+[{_CLOSING}]*+)\s*+(?=\S)"
    rf"|(?P<end>[.!?…]++[{_CLOSING}]*+)\s++(?=\S)"
)
# `[。！？]|[.!?…]\S{0,4}\s`, but a pattern that begins with a class is searched for three times as fast.
_CANDIDATE = re.compile(r"[.!?…。！？](?:(?<=[。！？])|\S{0,4}\s)")
_LAST_WORD = re.compile(r"[^\s" + _OPENING + r"—–-]*$")
_STARTS_SENTENCE = re.compile(rf"[{_OPENING}]*[^\W_a-z]")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


def sentences_of(lines: Iterable[str]) -> list[str]:
    """Return the sentences of several lines, in order."""
    return [sentence for line in lines for sentence in split_sentences(line)]


def split_sentences(line: str) -> list[str]:
    """Split a line into its sentences, by rules for English and Chinese.

    A sentence ends at `.`, `!`, `?` or `…` before a space and something that can begin a sentence, and at `。`, `！`
    or `？` anywhere; closing quotes and brackets stay with the sentence they close. Known abbreviations, initials and
    numbers do not end one. Joined again, the sentences are the line but for the space between them.

    Args:
        line: str, a sentence or a paragraph.

    Returns:
        list of str, none of them empty; `[]` for a blank line.

    Example:
        ```python
        split_sentences("Dr. Lee paid $3.50. “Why?” she asked.")
        # ['Dr. Lee paid $3.50.', '“Why?” she asked.']
        ```
    """
    line = line.strip()
    # Most lines of a prepared text hold one sentence: no end mark before their last few characters.
    if _CANDIDATE.search(line, 0, max(0, len(line) - 1)) is None:
        return [line] if line else []
    sentences, start = [], 0
    for match in _BREAK.finditer(line):
        if match["end"] is not None and not _ends_sentence(line, match.start("end"), match["end"], match.end()):
            continue
        end = match.end("wide") if match["wide"] is not None else match.end("end")
        sentences.append(line[start:end])
        start = match.end()
    sentences.append(line[start:])
    return sentences


def _ends_sentence(line: str, mark: int, marks: str, following: int) -> bool:
    if _STARTS_SENTENCE.match(line, following) is None:
        return False
    if not marks.startswith(".") or marks.startswith(".."):
        return True
    word = _LAST_WORD.search(line, max(0, mark - 20), mark)
    last = word[0] if word else ""
    if _ABBREVIATION.fullmatch(last) or (_NUMBERED.fullmatch(last) and line[following].isdigit()):
        return False
    # J. R. R. Tolkien, the U.S. Army; but "so did I." ends, while "plan B. Then" is rare enough to lose.
    return _INITIALS.fullmatch(last) is None or (last == "I" and mark > 1)
