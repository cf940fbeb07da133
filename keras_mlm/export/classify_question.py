"""A classifier is asked for the classes of texts or pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mlm.export.question import Answers, PackedTexts, Question
from keras_mlm.model_folder import plain_twin


class ClassifyQuestion(Question):
    """Which class each text has; see `Question`.

    Args:
        model: BertTextClassifier.
        length: int, the longest row of the export in tokens.
        pairs: bool, whether the texts are pairs.
        truth: array of class numbers, as the model's `class_numbers` gives it; `None` where they are not known.
    """

    ids_name = "classify"

    def __init__(self, model: Any, length: int, pairs: bool, truth: np.ndarray | None) -> None:
        super().__init__(plain_twin(model), length)
        self.model.length = self.length
        self.name = "classify_pair" if pairs else "classify"
        self._pairs = pairs
        self._truth = truth

    def rows(self, texts: Sequence[Any]) -> PackedTexts:
        """Return texts as the model's own rows."""
        rows = self.model.encode(list(texts))
        packed = self.packed(
            [row["token_ids"] for row in rows], [row["segment_ids"] for row in rows], self._truncated(texts).tolist()
        )
        return PackedTexts(packed.inputs, np.array([row["text_index"] for row in rows]), packed.truncated)

    def plain_rows(self, texts: Sequence[str]) -> PackedTexts:
        """Return single texts as rows that are embedded: by the model's rule, of windows the first."""
        if self.model.long_text != "head_tail":
            return super().plain_rows(texts)
        return self.packed([row["token_ids"] for row in self.model.encode(list(texts))], None, [False] * len(texts))

    def _truncated(self, texts: Sequence[Any]) -> np.ndarray:
        if self.model.long_text == "windows":
            return np.zeros(len(texts), bool)
        columns = zip(*texts, strict=True) if self._pairs else [texts]
        counts = [np.asarray(self.model.tokenizer.tokenize(list(column)).row_lengths()) for column in columns]
        return np.sum(counts, axis=0) > self.length - 1 - len(counts)

    def one_text(self, text: Any) -> Answers:
        """Return a text, or both of a pair."""
        if not self._pairs:
            return super().one_text(text)
        return {"text_a": np.array([text[0]]), "text_b": np.array([text[1]])}

    def served_inputs(self, texts: Sequence[Any]) -> dict[str, list[str]]:
        """Return texts, or both halves of pairs."""
        if not self._pairs:
            return super().served_inputs(texts)
        return {"text_a": [text[0] for text in texts], "text_b": [text[1] for text in texts]}

    def of_texts(self, outputs: Answers, packed: PackedTexts) -> Answers:
        """Return the probabilities of texts: a text with several rows has the mean of their logits."""
        texts = len(packed.truncated)
        if len(packed.text_index) == texts:
            return outputs
        logits = np.zeros((texts, outputs["logits"].shape[1]), "float32")
        np.add.at(logits, packed.text_index, outputs["logits"])
        mean = logits / np.bincount(packed.text_index)[:, None].astype("float32")
        return {"probabilities": self.model.predictions(mean).probabilities}

    def own(self, texts: list[Any]) -> Answers:
        """Return the Keras model's probabilities."""
        return {"probabilities": self.model.predict_texts(texts).probabilities, "truncated": self._truncated(texts)}

    def difference(self, found: Answers, own: Answers) -> float:
        """Return the largest difference of a probability."""
        return float(np.abs(found["probabilities"] - own["probabilities"]).max())

    def same(self, found: Answers, own: Answers) -> float:
        """Return the share of texts with the Keras model's class or classes."""
        return self._share(self._told(found), self._told(own))

    def right(self, found: Answers) -> float | None:
        """Return the accuracy: the share of texts whose class is right, of several classes all of them."""
        return None if self._truth is None else self._share(self._told(found), self._truth)

    def _told(self, answers: Answers) -> np.ndarray:
        probabilities = answers["probabilities"]
        return probabilities > 0.5 if self.model.multi_label else probabilities.argmax(axis=1)

    def _share(self, found: np.ndarray, wanted: np.ndarray) -> float:
        equal = found == wanted
        return float((equal.all(axis=1) if self.model.multi_label else equal).mean())
