"""A pre-trained model is asked for the words that were masked in texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.pretrainer_answers import fill_masks
from keras_mlm.export.question import Answers, PackedTexts, Question

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


class FillMaskQuestion(Question):
    """Which word is behind the `[MASK]` of each text; see `Question`.

    Args:
        model: BertPretrainer.
        length: int, the longest row of the export in tokens.
        answers: sequence of int, the ids of the words that stood there.
    """

    name = ids_name = "fill_mask"

    def __init__(self, model: Any, length: int, answers: Sequence[int]) -> None:
        super().__init__(model, length)
        self._answers = np.array(answers)
        self._ids = {token.encode(): number for number, token in enumerate(model.tokenizer.vocabulary)}
        self._ids[b""] = model.tokenizer.pad_token_id

    def rows(self, texts: Sequence[str]) -> PackedTexts:
        """Return texts as rows, `[MASK]` in them as the mask token."""
        tokenizer, room = self.model.tokenizer, self.length - 2
        found = tokenizer.tokenize(list(texts), mask_tokens=True).to_list()
        rows = [[tokenizer.cls_token_id, *row[:room], tokenizer.sep_token_id] for row in found]
        return self.packed(rows, None, [len(row) > room for row in found])

    def one_text(self, text: str) -> Answers:
        """Return the parts of a text between its masks."""
        return {"text": np.array(text.split("[MASK]"))}

    def served_answers(self, outputs: Answers) -> Answers:
        """Return the candidates as ids."""
        return {**outputs, "candidate_ids": np.vectorize(self._ids.__getitem__)(outputs["tokens"])}

    def own(self, texts: list[str]) -> Answers:
        """Return the Keras model's candidates."""
        packed = self.rows(texts)
        inputs = {**packed.inputs, "padding_mask": packed.inputs["padding_mask"] > 0}
        ids, scores, _ = fill_masks(self.model, inputs, ExportOptions.top_k, slots=1)
        return {"candidate_ids": ids.numpy(), "scores": scores.numpy(), "truncated": packed.truncated}

    def difference(self, found: Answers, own: Answers) -> float:
        """Return the largest difference of a score, of the first mask's candidates that both have."""
        candidates = min(found["scores"].shape[2], own["scores"].shape[2])
        first = [answers["scores"][:, 0, :candidates] for answers in (found, own)]
        return float(np.abs(first[0] - first[1]).max())

    def same(self, found: Answers, own: Answers) -> float:
        """Return the share of masks with the Keras model's first candidate; a mask behind the cut has none."""
        there = own["scores"][:, 0, 0] > 0
        equal = found["candidate_ids"][:, 0, 0] == own["candidate_ids"][:, 0, 0]
        return float(equal[there].mean()) if there.any() else 1.0

    def right(self, found: Answers) -> float:
        """Return the share of masks whose first candidate is the word that stood there."""
        there = found["scores"][:, 0, 0] > 0
        equal = found["candidate_ids"][:, 0, 0] == self._answers
        return float(equal[there].mean()) if there.any() else 0.0


def masked_texts(tokenizer: "WordPieceTokenizer", texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return texts with one whole word replaced by `[MASK]`, and the ids of the words; texts without one are left out.

    The word is one token of the vocabulary, that nearest to the middle of the text.

    Args:
        tokenizer: WordPieceTokenizer.
        texts: sequence of str.

    Returns:
        A list of str and a list of int.

    Raises:
        InputError: no text has such a word.
    """
    found = tokenizer.tokenize_with_offsets(list(texts))
    columns = [part.to_list() for part in found]
    masked, answers = [], []
    for text, ids, word_starts, starts, ends in zip(texts, *columns, strict=True):
        whole = [
            place for place, token in enumerate(ids)
            if word_starts[place] and (place + 1 == len(ids) or word_starts[place + 1])
            and token != tokenizer.unk_token_id and text[starts[place] : ends[place]].isalnum()
        ]  # fmt: skip
        if whole:
            place = min(whole, key=lambda place: abs(2 * place + 1 - len(ids)))
            masked.append(text[: starts[place]] + "[MASK]" + text[ends[place] :])
            answers.append(ids[place])
    if not masked:
        raise InputError("no text has a whole word of the vocabulary that could be masked: give others")
    return masked, answers
