"""Checks that labelled examples can be learned from, and holds a share of them out."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence

from keras_mlm.data.labelled_texts import LabelledText
from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)


def class_names(examples: Sequence[LabelledText]) -> list[str]:
    """Return the labels of examples in sorted order, numbers by their value; warn of those that stand there once.

    Raises:
        InputError: all labels are equal.
    """
    counts = Counter(example.label for example in examples)
    if len(counts) < 2:
        raise InputError(
            f"{examples[0].source}: all {len(examples):,} labels are {examples[0].label!r}: there is nothing to tell "
            "apart; is the label in another column?"
        )
    if 2 * len(counts) > len(examples) > 10:
        raise InputError(
            f"{examples[0].source}: {len(counts):,} different labels in {len(examples):,} examples; is the label in "
            "another column?"
        )
    once = sorted(label for label, count in counts.items() if count == 1)
    if once:
        logger.warning("%d classes have one example only: %s", len(once), ", ".join(once[:10]))
    if all(label.isdecimal() for label in counts):
        return sorted(counts, key=lambda label: (int(label), label))
    return sorted(counts)


def check_labels(examples: Sequence[LabelledText], classes: Sequence[str]) -> None:
    """Raise `InputError` for labels that training does not have; the message lists them with file and line."""
    first: dict[str, LabelledText] = {}
    for example in examples:
        if example.label not in first:
            first[example.label] = example
    unknown = [first[label] for label in sorted(set(first) - set(classes))]
    if unknown:
        shown = ", ".join(f"{example.label!r} (line {example.line})" for example in unknown[:10])
        raise InputError(f"{unknown[0].source} has {len(unknown)} labels that training has not: {shown}")


def held_out_share(
    examples: Sequence[LabelledText], percent: int = 10
) -> tuple[list[LabelledText], list[LabelledText]]:
    """Return examples in two parts, by a hash of the text: equal texts fall on one side, on every machine.

    A class that would be held out whole stays in the first part.

    Args:
        examples: sequence of `LabelledText`.
        percent: int, share of the second part. Defaults to `10`.

    Returns:
        Two lists of `LabelledText`.

    Raises:
        InputError: there are too few examples for one to be held out.
    """
    kept: list[LabelledText] = []
    held: list[LabelledText] = []
    for example in examples:
        text = example.text if isinstance(example.text, str) else "\t".join(example.text)
        number = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        (held if number % 100 < percent else kept).append(example)
    known = {example.label for example in kept}
    kept += [example for example in held if example.label not in known]
    held = [example for example in held if example.label in known]
    if not kept or not held:
        raise InputError(f"{examples[0].source}: {len(examples)} examples are too few to hold some out: give --dev")
    return kept, held
