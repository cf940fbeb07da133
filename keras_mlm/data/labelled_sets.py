"""Checks that labelled examples can be learned from, and holds a share of them out."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from keras_mlm.data.fingerprints import fingerprint
from keras_mlm.data.labelled_texts import LabelledText, read_labelled_texts
from keras_mlm.errors import InputError

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

# The share of train that chooses the epoch and the temperature where no file for that is given.
DEV_PERCENT = 10


def read_labelled_sets(
    train: str, *, dev: str | None = None, test: str | None = None, test_percent: int = 0, **columns: Any
) -> tuple[dict[str, list[LabelledText]], list[str]]:
    """Read the examples to learn from, to choose by and to judge by, and check that their labels fit.

    Args:
        train: str, file of the examples.
        dev: str, file to choose by. Defaults to `None`, a tenth of train by a hash of the text.
        test: str, file to judge by. Defaults to `None`.
        test_percent: int, share of train to judge by instead, by the same hash. Defaults to `0`.
        **columns: `text`, `label`, `pair`, `separator` of `read_labelled_texts`.

    Returns:
        Dict of `train`, `dev` and, where asked for, `test`; and the names of the classes.

    Raises:
        InputError: as `read_labelled_texts`, `class_names`, `check_labels` and `held_out_share`.
    """
    if test is not None and test_percent:
        raise InputError("give either a file to test on or the percent of train for it, not both")
    if not 0 <= test_percent <= 80:
        raise InputError(f"the percent of train to test on must be between 0 and 80, not {test_percent}")
    sets = {"train": list(read_labelled_texts(train, **columns))}
    if test_percent:
        sets["train"], sets["test"] = held_out_share(sets["train"], test_percent)
    if dev is None:
        sets["train"], sets["dev"] = held_out_share(sets["train"], DEV_PERCENT, first=test_percent)
    for name, path in (("dev", dev), ("test", test)):
        if path is not None:
            sets[name] = list(read_labelled_texts(path, **columns))
    classes = class_names(sets["train"])
    for examples in sets.values():
        check_labels(examples, classes)
    return sets, classes


def class_names(examples: Sequence[LabelledText]) -> list[str]:
    """Return the labels of examples in sorted order, numbers by their value; warn of those that stand there once.

    Raises:
        InputError: all labels are equal.
    """
    counts = Counter(label for example in examples for label in example.labels)
    if len(counts) < 2:
        raise InputError(
            f"{examples[0].source}: all {len(examples):,} labels are {', '.join(map(repr, counts)) or 'absent'}: there "
            "is nothing to tell apart; is the label in another column?"
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
        for label in example.labels:
            first.setdefault(label, example)
    unknown = sorted(set(first) - set(classes))
    if unknown:
        shown = ", ".join(f"{label!r} (line {first[label].line})" for label in unknown[:10])
        numbers = all(label.isdecimal() for label in unknown) and not any(name.isdecimal() for name in classes)
        hint = "; training has names, not numbers: write the names" if numbers else ""
        raise InputError(
            f"{first[unknown[0]].source} has {len(unknown)} labels that training has not: {shown}"
            f"{' and others' if len(unknown) > 10 else ''}{hint}"
        )


def class_weights(examples: Sequence[LabelledText], given: Sequence[str]) -> np.ndarray:
    """Return what each example counts in the loss, by its class.

    Args:
        examples: sequence of `LabelledText` of one label each.
        given: `["balanced"]`, so that all classes count the same together and an example 1 on average; or `NAME=WEIGHT`
            a class, where classes that are not named have the weight 1.

    Returns:
        float32 array `(examples,)`.

    Raises:
        InputError: an unknown class, a weight that is none, or texts with several labels.
    """
    if any(not isinstance(example.label, str) for example in examples):
        raise InputError("class weights are for texts with one label each")
    labels = [str(example.label) for example in examples]
    counts = Counter(labels)
    if list(given) == ["balanced"]:
        weights = {name: len(labels) / len(counts) / count for name, count in counts.items()}
    else:
        weights = dict.fromkeys(counts, 1.0)
        for entry in given:
            name, equals, number = entry.rpartition("=")
            weight = _number(number)
            if not equals or weight is None:
                raise InputError(f"class weights are 'balanced' or NAME=WEIGHT such as sport=2.5, not {entry!r}")
            if name not in weights:
                raise InputError(f"a weight for {name!r}, a class that is not in training: {', '.join(sorted(counts))}")
            weights[name] = weight
        if not any(weights.values()):
            raise InputError("all class weights are 0: there is nothing to learn")
    return np.array([weights[label] for label in labels], "float32")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def held_out_share(
    examples: Sequence[LabelledText], percent: int = DEV_PERCENT, *, first: int = 0
) -> tuple[list[LabelledText], list[LabelledText]]:
    """Return examples in two parts, by a hash of the text: equal texts fall on one side, on every machine.

    A class that would be held out whole stays in the first part.

    Args:
        examples: sequence of `LabelledText`.
        percent: int, share of the second part. Defaults to `10`.
        first: int, where of the hundredths of all texts the share begins: what was held out before ends there, and both
            shares are of the whole. Defaults to `0`.

    Returns:
        Two lists of `LabelledText`.

    Raises:
        InputError: there are too few examples for one to be held out.
    """

    def text(example: LabelledText) -> str:
        return example.text if isinstance(example.text, str) else "\t".join(example.text)

    kept, held = split_by_text(examples, text, lambda example: example.labels, percent, first=first)
    if not kept or not held:
        raise InputError(f"{examples[0].source}: {len(examples)} examples are too few to hold some out: give --dev")
    return kept, held


def split_by_text(
    items: Sequence[Item],
    text: Callable[[Item], str],
    labels: Callable[[Item], Sequence[str]],
    percent: int = DEV_PERCENT,
    *,
    first: int = 0,
) -> tuple[list[Item], list[Item]]:
    """Return items in two parts, see `held_out_share`; either may be empty.

    Args:
        items: sequence of what is labelled.
        text: callable that returns the text of an item.
        labels: callable that returns its labels.
        percent: int, share of the second part. Defaults to `10`.
        first: int, where of the hundredths the share begins. Defaults to `0`.
    """
    kept: list[Item] = []
    held: list[Item] = []
    for item in items:
        number = fingerprint(text(item)) % 2**64  # as an unsigned number
        (held if first <= number % 100 < first + percent else kept).append(item)
    known = {label for item in kept for label in labels(item)}
    kept += [item for item in held if not known.issuperset(labels(item))]
    return kept, [item for item in held if known.issuperset(labels(item))]


def digest(content: Any) -> str:
    """Return a hash of texts and labels, so that a changed file is no finished run.

    Args:
        content: lists and tuples of str.
    """
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()


def examples_digest(examples: Sequence[LabelledText]) -> str:
    """Return the `digest` of examples."""
    return digest([(example.text, example.label) for example in examples])
