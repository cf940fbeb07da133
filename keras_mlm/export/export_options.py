"""How large an export is, which number it gets, and whose figures its card repeats."""

import dataclasses
from typing import Any

from keras_mlm.errors import InputError

# Rows of a pre-trained model, unless it is asked for others. Fine-tuned models have a length of their own.
DEFAULT_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What `export_saved_model`, `export_tflite` and `export_onnx` can be told; every entry has a default.

    Args:
        length: int, the longest row in tokens, special tokens included. Defaults to `None`: the length that a model was
            fine-tuned with; of a pre-trained one 128, or all of its positions where they are fewer.
        top_k: int, candidates a mask, of a pre-trained model. Defaults to `5`.
        mask_slots: int, masks a text that are filled, of a pre-trained model. Defaults to `8`.
        word_slots: int, words a text that are tagged, by a tagger. Defaults to `None`, twice `length`.
        version: int, the number of the folder. Defaults to `None`, the one after the highest that exists.
        model_folder: str, the folder whose figures the card repeats. Defaults to `None`, the one exported into.

    Example:
        ```python
        export_saved_model(load_model("saved_models/news"), "saved_models/news", ExportOptions(length=64, version=3))
        ```
    """

    length: int | None = None
    top_k: int = 5
    mask_slots: int = 8
    word_slots: int | None = None
    version: int | None = None
    model_folder: str | None = None

    def row_length(self, model: Any) -> int:
        """Return the longest row in tokens for a model.

        Args:
            model: the model to export.

        Returns:
            int.

        Raises:
            InputError: the model has no such rows.
        """
        positions = model.config.max_sequence_length
        length: int = getattr(model, "length", min(DEFAULT_LENGTH, positions)) if self.length is None else self.length
        shortest = 8 if hasattr(model, "length") else 3
        if not shortest <= length <= positions:
            raise InputError(f"length must be between {shortest} and the model's {positions} positions, not {length}")
        return length

    def words_of(self, length: int) -> int:
        """Return how many words of a text are tagged.

        Args:
            length: int, tokens a row.

        Returns:
            int.

        Raises:
            InputError: `word_slots` is below 1.
        """
        slots = 2 * length if self.word_slots is None else self.word_slots
        if slots < 1:
            raise InputError(f"word_slots must be at least 1, not {slots}")
        return slots

    def check_masks(self, vocabulary_size: int) -> None:
        """Check the numbers of candidates and slots.

        Args:
            vocabulary_size: int, tokens there are to choose from.

        Raises:
            InputError: one of them cannot be.
        """
        if not 1 <= self.top_k <= vocabulary_size:
            raise InputError(f"top_k must be between 1 and {vocabulary_size}, not {self.top_k}")
        if self.mask_slots < 1:
            raise InputError(f"mask_slots must be at least 1, not {self.mask_slots}")
