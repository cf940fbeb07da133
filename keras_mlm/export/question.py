"""What an export is asked to prove itself, and what its answers are held against; the base of those of each kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.row_vectors import row_vectors
from keras_mlm.models.row_batches import padded

Answers = dict[str, np.ndarray]
Ask = Callable[[list[Any]], Answers]


@dataclass(frozen=True)
class PackedTexts:
    """Texts as rows of ids, made outside of the graph that takes them.

    Args:
        inputs: dict of int32 arrays `(rows, width)`.
        text_index: int array `(rows,)`, which text a row is of.
        truncated: bool array `(texts,)`.
        windows: `WordWindows` of a tagger's rows. Defaults to `None`.
    """

    inputs: Answers
    text_index: np.ndarray
    truncated: np.ndarray
    windows: Any = None


class Question:
    """Asks one thing of a model in every way that it was exported.

    Args:
        model: the Keras model that was exported.
        length: int, the longest row of the export in tokens.
    """

    # The signature's name, and, with `_ids` behind it, that of the one that takes ids.
    name: str
    ids_name: str

    def __init__(self, model: Any, length: int) -> None:
        self.model = model
        self.length = ExportOptions(length=length).row_length(model)

    def rows(self, texts: Sequence[Any]) -> PackedTexts:
        """Return texts as the rows that the question is asked about."""
        raise NotImplementedError

    def one_text(self, text: Any) -> Answers:
        """Return the inputs of a TFLite file that takes one text."""
        return {"text": np.array([text])}

    def served_inputs(self, texts: Sequence[Any]) -> dict[str, list[str]]:
        """Return the inputs of the SavedModel's signature."""
        return {"text": list(texts)}

    def served_answers(self, outputs: Answers) -> Answers:
        """Return what the SavedModel's signature said, by the names that are compared."""
        return outputs

    def of_texts(self, outputs: Answers, packed: PackedTexts) -> Answers:
        """Return the outputs of rows as answers about texts."""
        return outputs

    def of_one_row(self, outputs: Answers, texts: Sequence[Any]) -> Answers:
        """Return the outputs of a TFLite file that takes one text, one row a text, as answers about texts."""
        return outputs

    def own(self, texts: list[Any]) -> Answers:
        """Return what the Keras model answers."""
        raise NotImplementedError

    def difference(self, found: Answers, own: Answers) -> float:
        """Return the largest difference of a number."""
        raise NotImplementedError

    def same(self, found: Answers, own: Answers) -> float:
        """Return the share of answers that are the Keras model's."""
        raise NotImplementedError

    def right(self, found: Answers) -> float | None:
        """Return the share of answers that are right; `None` where that is not known."""
        raise NotImplementedError

    def plain_rows(self, texts: Sequence[str]) -> PackedTexts:
        """Return single texts as rows that are embedded, cut at their end."""
        tokenizer, room = self.model.tokenizer, self.length - 2
        found = tokenizer.tokenize(list(texts)).to_list()
        return self.packed([[tokenizer.cls_token_id, *row[:room], tokenizer.sep_token_id] for row in found], None, [
            len(row) > room for row in found
        ])  # fmt: skip

    def own_vectors(self, texts: list[str]) -> Answers:
        """Return the Keras model's mean-pooled vectors of single texts."""
        inputs = self.plain_rows(texts).inputs
        rows = {**inputs, "padding_mask": inputs["padding_mask"] > 0}
        return {"mean_pooled": row_vectors(self.model.backbone, rows)[1].numpy()}

    def packed(
        self, token_ids: Sequence[Any], segment_ids: Sequence[Any] | None, truncated: Sequence[bool]
    ) -> PackedTexts:
        """Return rows of ids, one a text, as arrays no wider than the longest."""
        rows = [np.array(row, "int32") for row in token_ids]
        segments = [np.zeros_like(row) for row in rows] if segment_ids is None else segment_ids
        batch = padded(
            [{"token_ids": row, "segment_ids": part} for row, part in zip(rows, segments, strict=True)],
            self.model.tokenizer.pad_token_id,
        )
        inputs = {**batch, "padding_mask": batch["padding_mask"].astype("int32")}
        return PackedTexts(inputs, np.arange(len(rows)), np.array(truncated))
