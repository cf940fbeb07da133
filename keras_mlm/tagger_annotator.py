"""A fine-tuned tagger as an annotator: its words and parts of speech, in as many processes as prepare a corpus."""

import functools
from collections.abc import Sequence
from typing import Any

from keras_mlm.errors import InputError
from keras_mlm.tokenizers.annotator import Annotator


def tagger_annotator(folder: str) -> Annotator:
    """Return the words that a tagger finds in texts, and their tags.

    Args:
        folder: str, a model folder that `recipes/finetune_tagger.py` or `save_model` wrote.

    Returns:
        `Annotator`, named after the tagger's weights.

    Raises:
        InputError: the folder holds no tagger.

    Example:
        ```python
        prepare_corpus(read_documents(["news.txt"]), "data/news", annotator=tagger_annotator("saved_models/tagger"))
        ```
    """
    from keras_mlm.models.weights_hash import weights_hash

    tagger = _tagger(folder)
    if not hasattr(tagger, "annotate"):
        raise InputError(f"{folder} is no tagger: give rjieba, or a folder that finetune_tagger.py wrote")
    # The folder travels to other processes, not the model: Keras pickles one without its tokenizer.
    return Annotator(f"tagger {weights_hash(tagger)[:16]}", functools.partial(_annotate, folder))


def _annotate(folder: str, texts: list[str]) -> tuple[Sequence[Sequence[str]], Sequence[Sequence[str]] | None]:
    return _tagger(folder).annotate(texts)


@functools.lru_cache(maxsize=1)
def _tagger(folder: str) -> Any:
    from keras_mlm.model_folder import load_model

    return load_model(folder)
