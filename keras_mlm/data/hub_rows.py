"""Rows of a data set of the Hugging Face hub, through the library datasets."""

import os
from collections.abc import Iterator
from typing import Any

from keras_mlm.errors import InputError, RunError

PREFIX = "hf:"


def is_hub_address(path: str) -> bool:
    """Return whether a path names a data set of the hub rather than a file."""
    return path.startswith(PREFIX)


def hub_rows(address: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Stream the rows of a data set; numbers of classes become their names.

    Args:
        address: str, `"hf:NAME"` or `"hf:NAME:SUBSET"`, with `"#SPLIT"` behind it; `train` is the split by default. A
            name is one of the hub, such as `mteb/banking77`, or a folder of files that datasets can read.

    Returns:
        Iterator of row number, from 1, and the row's entries.

    Raises:
        InputError: datasets is not installed, or there is no such data set, subset or split.
        RunError: the network or the hub failed.

    Example:
        ```python
        for number, row in hub_rows("hf:mteb/banking77#test"):
            print(number, row["text"], row["label_text"])
        ```
    """
    # Each use of a data set is otherwise reported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    try:
        import datasets
    except ImportError:
        raise InputError(f"{address} needs datasets: pip install 'keras-mlm[datasets]'") from None
    name, _, split = address.removeprefix(PREFIX).partition("#")
    name, _, subset = name.partition(":")
    try:
        # As a stream: a large set is neither held in memory nor copied.
        rows = datasets.load_dataset(name, subset or None, split=split or "train", streaming=True)
        features = rows.features or {}
        for number, row in enumerate(rows, 1):
            yield number, {entry: _with_names(value, features.get(entry)) for entry, value in row.items()}
    except (ValueError, FileNotFoundError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"{address}: {_in_one_line(error)}") from error
    except Exception as error:  # whatever the network or the hub did: each has errors of its own
        raise RunError(f"{address} could not be read from the hub ({_in_one_line(error)})") from error


def _with_names(value: Any, feature: Any) -> Any:
    if isinstance(value, list):
        return [_with_names(item, getattr(feature, "feature", None)) for item in value]
    # Of a text without a class the number is -1.
    named = hasattr(feature, "int2str") and isinstance(value, int) and value >= 0
    return feature.int2str(value) if named else value


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
