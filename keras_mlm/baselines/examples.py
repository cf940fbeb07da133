"""Labelled examples as all systems take them."""

import hashlib
from typing import Any

import numpy as np

from keras_mlm.data.labelled_sets import digest, read_labelled_sets
from keras_mlm.data.tagged_sets import check_tags, held_out_sentences, legal_tags, tag_names
from keras_mlm.data.tagged_words import read_tagged_words

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
    return data, classes, {name: digest(examples) for name, examples in sets.items()}


def tagged_examples(train: str, *, dev: str | None, test: str | None, **columns: Any) -> Examples:
    """Return sentences of words and their tags, likewise.

    Args:
        train: str, the file.
        dev: str, file to choose by; or `None`, a tenth of train.
        test: str, file to judge by; or `None`, that to choose by.
        **columns: as `read_tagged_words` takes them.
    """
    files = {"train": train, "dev": dev, "test": test}
    sets = {name: legal_tags(list(read_tagged_words(path, **columns))) for name, path in files.items() if path}
    if dev is None:
        sets["train"], sets["dev"] = held_out_sentences(sets["train"])
    classes = tag_names(sets["train"])
    for sentences in sets.values():
        check_tags(sentences, classes)
    data: dict[str, tuple[list[Any], Any]] = {
        name: ([sentence.words for sentence in sentences], [sentence.tags for sentence in sentences])
        for name, sentences in sets.items()
    }
    digests = {
        name: hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()
        for name, content in data.items()
    }
    data["judged"] = data.pop("test", data["dev"])
    return data, classes, digests
