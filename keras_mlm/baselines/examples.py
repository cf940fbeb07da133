"""Labelled examples as all systems take them."""

from typing import Any

import numpy as np

from keras_mlm.data.labelled_sets import examples_digest, read_labelled_sets
from keras_mlm.data.tagged_sets import read_tagged_sets, sentences_digest

Examples = tuple[dict[str, tuple[list[Any], Any]], list[str], dict[str, str]]


def text_examples(train: str, **options: Any) -> Examples:
    """Return texts and class numbers of `train`, `dev` and what is `judged`, the classes, and a digest of each set.

    Args:
        train: str, the file.
        **options: as `read_labelled_sets` takes them.
    """
    sets, classes = read_labelled_sets(train, **options)
    numbers = {name: number for number, name in enumerate(classes)}
    data: dict[str, tuple[list[Any], Any]] = {
        name: ([example.text for example in examples], np.array([numbers[str(example.label)] for example in examples]))
        for name, examples in sets.items()
    }
    data["judged"] = data.pop("test", data["dev"])
    return data, classes, {name: examples_digest(examples) for name, examples in sets.items()}


def tagged_examples(train: str, *, dev: str | None, test: str | None, **columns: Any) -> Examples:
    """Return sentences of words and their tags, likewise.

    Args:
        train: str, the file.
        dev: str, file to choose by; or `None`, a tenth of train.
        test: str, file to judge by; or `None`, that to choose by.
        **columns: as `read_tagged_words` takes them.
    """
    sets, classes = read_tagged_sets(train, dev=dev, test=test, **columns)
    data: dict[str, tuple[list[Any], Any]] = {
        name: ([sentence.words for sentence in sentences], [sentence.tags for sentence in sentences])
        for name, sentences in sets.items()
    }
    data["judged"] = data.pop("test", data["dev"])
    return data, classes, {name: sentences_digest(sentences) for name, sentences in sets.items()}
