"""What systems learn from where labels are few."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_mlm.errors import InputError

Data = dict[str, tuple[list[Any], Any]]


def fewer_examples(data: Data, count: int, seed: int) -> Data:
    """Return the same sets with so many labelled examples in all, a tenth of which is there to choose by.

    Of one seed, those to learn from are the first of what more would be. Those to choose by have labels that are
    learned: others say nothing about what to choose.

    Args:
        data: dict of `train`, `dev` and `judged`, see `text_examples`.
        count: int, how many examples of `train` and `dev` together.
        seed: int, which ones.

    Returns:
        Dict of the same names; what is judged stays whole.

    Raises:
        InputError: there are fewer, or so few that there is nothing to tell apart.

    Example:
        ```python
        few = fewer_examples(text_examples("train.tsv")[0], 50, seed=0)
        ```
    """
    to_choose = max(1, round(count / 10))
    to_learn = count - to_choose
    there = {name: len(data[name][0]) for name in ("train", "dev")}
    if to_learn > there["train"] or to_choose > there["dev"]:
        raise InputError(
            f"--examples {count}: {to_learn:,} to learn from and {to_choose:,} to choose by, but there are "
            f"{there['train']:,} and {there['dev']:,}"
        )
    random = np.random.default_rng(seed)
    train = _taken(data["train"], random.permutation(there["train"])[: max(to_learn, 0)])
    known = {label for labels in train[1] for label in _labels(labels)}
    learned = [index for index in random.permutation(there["dev"]) if known.issuperset(_labels(data["dev"][1][index]))]
    if len(known) < 2 or not learned:
        raise InputError(f"--examples {count}: what seed {seed} draws leaves nothing to tell apart; take more")
    return {**data, "train": train, "dev": _taken(data["dev"], learned[:to_choose])}


def _taken(some: tuple[list[Any], Any], indices: Any) -> tuple[list[Any], Any]:
    inputs, labels = some
    taken = [labels[index] for index in indices]
    return [inputs[index] for index in indices], np.array(taken) if isinstance(labels, np.ndarray) else taken


def _labels(labels: Any) -> Iterable[Any]:
    """Return the labels of a text, one number, or of a sentence, the tags of its words."""
    return labels if isinstance(labels, list) else [int(labels)]
