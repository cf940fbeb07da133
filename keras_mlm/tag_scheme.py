"""Tags that spell spans, B- I- O and B- I- E- S- O: what may follow what, the spans they mean, and how to mend them."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

OUTSIDE = "O"
Scheme = Literal["BIO", "BIOES"]
_PREFIXES: dict[Scheme, str] = {"BIO": "BI", "BIOES": "BIES"}


class Span(NamedTuple):
    """A run of words of one type.

    Args:
        start: int, its first word.
        end: int, one past its last word.
        label: str, its type, such as `"PER"`.
    """

    start: int
    end: int
    label: str


def scheme_of(tags: Iterable[str]) -> Scheme | None:
    """Return the scheme that a set of tags is of; `None` where each tag stands for itself, as parts of speech do."""
    prefixes = set()
    for tag in tags:
        prefix, label = split_tag(tag)
        if tag != OUTSIDE and not label:
            return None
        prefixes.add(prefix)
    if prefixes <= {OUTSIDE}:
        return None
    return "BIOES" if prefixes & {"E", "S"} else "BIO"


def split_tag(tag: str) -> tuple[str, str]:
    """Return the prefix and the type of a tag: `("B", "PER")`; `("O", "")` outside; `("", "")` of any other tag."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    return (tag[0], tag[2:]) if len(tag) > 2 and tag[1] == "-" and tag[0] in "BIES" else ("", "")


def complete_tags(tags: Iterable[str], scheme: Scheme) -> list[str]:
    """Return a set of tags with all tags of its types, sorted, and `O`: a type seen in short spans may be in long ones.

    Example:
        ```python
        complete_tags(["O", "B-PER", "B-LOC"], "BIO")  # ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
        ```
    """
    labels = {split_tag(tag)[1] for tag in tags} - {""}
    return sorted({f"{prefix}-{label}" for prefix in _PREFIXES[scheme] for label in labels} | {OUTSIDE})


def is_legal(previous: str, tag: str, scheme: Scheme) -> bool:
    """Return whether a tag may follow another one; before the first and after the last tag stands `O`."""
    (before, open_label), (prefix, label) = split_tag(previous), split_tag(tag)
    inside = before == "B" or before == "I"
    if prefix in ("I", "E"):
        return inside and label == open_label
    return not inside or scheme == "BIO"


def first_illegal(tags: Sequence[str], scheme: Scheme) -> int | None:
    """Return the place of the first tag that may not stand where it stands; the number of tags if the end may not."""
    for place, (previous, tag) in enumerate(zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True)):
        if not is_legal(previous, tag, scheme):
            return place
    return None


def spans(tags: Sequence[str]) -> list[Span]:
    """Return the spans that tags mean, read as leniently as the CoNLL evaluation reads them.

    A span begins where its type begins, with or without B-, and ends where another begins, at E- and S-, and at O.

    Args:
        tags: sequence of str, of one sentence, of either scheme.

    Returns:
        List of `Span`, in order.

    Example:
        ```python
        spans(["B-PER", "I-PER", "O", "I-LOC"])  # [Span(0, 2, "PER"), Span(3, 4, "LOC")]
        ```

    References:
        - [CoNLL-2003](https://aclanthology.org/W03-0419/), section 4
    """
    found, start, open_label = [], 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, label = split_tag(tag)
        if open_label and (label != open_label or prefix in "BS"):
            found.append(Span(start, place, open_label))
            open_label = ""
        if label and not open_label:
            start, open_label = place, label
        if open_label and prefix in "ES":
            found.append(Span(start, place + 1, open_label))
            open_label = ""
    return found


def mended(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Return the legal tags of the spans that tags mean: an I- after O becomes the B- that it stands for."""
    legal = [OUTSIDE] * len(tags)
    for start, end, label in spans(tags):
        legal[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
        if scheme == "BIOES":
            legal[end - 1] = f"{'S' if end - start == 1 else 'E'}-{label}"
    return legal
