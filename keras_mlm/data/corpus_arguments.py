"""One prepared corpus or several with weights, as a command names them."""

from collections.abc import Sequence
from pathlib import PurePath

from keras_mlm.errors import InputError


def folders_and_weights(corpora: Sequence[str]) -> tuple[list[str], tuple[float, ...]]:
    """Return the folders of corpora given as `FOLDER:WEIGHT`, and the weights; a single one has none.

    Args:
        corpora: sequence of str; the number behind the last colon is the weight.

    Returns:
        List of str, and tuple of float that is empty for one corpus.

    Raises:
        InputError: one of several has no weight above 0, or a folder is named twice.

    Example:
        ```python
        folders_and_weights(["data/news:0.7", "data/law:0.3"])  # ["data/news", "data/law"], (0.7, 0.3)
        ```
    """
    if len(corpora) == 1:
        return list(corpora), ()
    folders, weights = [], []
    for corpus in corpora:
        folder, _, number = corpus.rpartition(":")
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not folder or not 0 < weight < float("inf"):
            raise InputError(f"each of several corpora needs a weight above 0, such as {corpus}:0.5, not {corpus!r}")
        folders.append(folder)
        weights.append(weight)
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is given twice: add its weights up")
    return folders, tuple(weights)


def corpus_names(folders: Sequence[str]) -> list[str]:
    """Return what to call each corpus: the last part of its path, or the path where that is another's as well."""
    names = [PurePath(folder).name for folder in folders]
    return [folder if names.count(name) > 1 else name for name, folder in zip(names, folders, strict=True)]
