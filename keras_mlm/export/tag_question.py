"""A tagger is asked for the tags of the words of texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mlm.export.question import Answers, PackedTexts, Question
from keras_mlm.model_folder import plain_twin
from keras_mlm.models.word_windows import WordWindows
from keras_mlm.training.tagging_metrics import tagging_figures


class TagQuestion(Question):
    """Which tag each word of each text has; see `Question`.

    Answers are `class_ids` int `(texts, words)`, -1 where there is no word or no answer, and `scores`.

    Args:
        model: BertTokenClassifier.
        length: int, the longest row of the export in tokens.
        texts: sequence of str, all that will be asked.
        truth: sequence of sequences of (character that a word begins with, tag), for each text; `None` where the tags
            are not known.
    """

    name = ids_name = "tag"

    def __init__(self, model: Any, length: int, texts: Sequence[str], truth: Sequence[Any] | None) -> None:
        super().__init__(plain_twin(model), length)
        self.model.length = self.length
        self._truth = truth
        self._words = self.model.tokenizer.words(list(texts))
        self._width = int(self._words.word_counts.max(initial=1))
        self._numbers = {name.encode(): number for number, name in enumerate(self.model.classes)} | {b"": -1}

    def rows(self, texts: Sequence[str]) -> PackedTexts:
        """Return texts as the model's own windows."""
        windows = self._windows(texts)
        packed = self.packed([row["token_ids"] for row in windows.rows], None, [False] * len(windows.rows))
        return PackedTexts(packed.inputs, packed.text_index, np.zeros(len(texts), bool), windows)

    def served_answers(self, outputs: Answers) -> Answers:
        """Return the tags as numbers."""
        found = np.vectorize(self._numbers.__getitem__)(outputs["tags"])
        return {**outputs, "class_ids": self._fixed(found, -1), "scores": self._fixed(outputs["scores"], 0)}

    def of_texts(self, outputs: Answers, packed: PackedTexts) -> Answers:
        """Return the tags of words from the logits of their tokens."""
        return self._decoded(packed.windows.of_words(list(outputs["logits"])), packed.windows)

    def of_one_row(self, outputs: Answers, texts: Sequence[str]) -> Answers:
        """Return the tags of the texts that fit in a row; the others have no answer."""
        words = self.model.tokenizer.words(list(texts))
        first = np.cumsum(words.piece_counts) - words.piece_counts
        splits = np.concatenate([[0], np.cumsum(words.word_counts)])
        fitting = ~outputs["truncated"]
        logits = np.zeros((len(first), outputs["logits"].shape[2]), "float32")
        for text in np.flatnonzero(fitting):
            here = slice(splits[text], splits[text + 1])
            if here.start < here.stop:
                logits[here] = outputs["logits"][text, 1 + first[here] - first[here.start]]
        found = self._decoded(logits, WordWindows([], [], splits))
        return {**outputs, **found, "class_ids": np.where(fitting[:, None], found["class_ids"], -1)}

    def own(self, texts: list[str]) -> Answers:
        """Return the Keras model's tags."""
        windows = self._windows(texts)
        return {**self._decoded(self.model.word_logits(windows), windows), "truncated": np.zeros(len(texts), bool)}

    def difference(self, found: Answers, own: Answers) -> float:
        """Return the largest difference of a score, of words that both have tagged."""
        both = (found["class_ids"] >= 0) & (own["class_ids"] >= 0)
        return float(np.abs(found["scores"] - own["scores"])[both].max(initial=0))

    def same(self, found: Answers, own: Answers) -> float:
        """Return the share of the words that were tagged which have the Keras model's tag."""
        both = (found["class_ids"] >= 0) & (own["class_ids"] >= 0)
        return float((found["class_ids"] == own["class_ids"])[both].mean()) if both.any() else 1.0

    def right(self, found: Answers) -> float | None:
        """Return F1 of the spans that tags spell, else their accuracy, of the texts that were tagged."""
        if self._truth is None:
            return None
        truth, guesses, first = [], [], 0
        for wanted, numbers, count in zip(self._truth, found["class_ids"], self._words.word_counts, strict=True):
            starts = self._words.starts[first : first + count]
            first += count
            if not count or numbers[0] < 0:
                continue
            tags = {start: self.model.classes[number] for start, number in zip(starts, numbers, strict=False)}
            truth.append([tag for _, tag in wanted])
            # A word that the tokenizer has as part of another one has no tag of its own.
            guesses.append([tags.get(start, self.model.classes[-1]) for start, _ in wanted])
        if not truth:
            return None
        figures = tagging_figures(truth, guesses, spans=self.model.scheme is not None)
        return figures["f1" if self.model.scheme is not None else "accuracy"]

    def _windows(self, texts: Sequence[str]) -> WordWindows:
        words = self.model.tokenizer.words(list(texts))
        return self.model.windows_of(words.token_ids, words.piece_counts, words.word_counts)

    def _decoded(self, logits: np.ndarray, windows: WordWindows) -> Answers:
        tags, scores = self.model.decode(logits, windows.splits)
        class_ids = np.full((len(tags), self._width), -1)
        values = np.zeros((len(tags), self._width), "float32")
        for row, (of_words, of_scores) in enumerate(zip(tags, scores, strict=True)):
            class_ids[row, : len(of_words)] = [self._numbers[tag.encode()] for tag in of_words]
            values[row, : len(of_words)] = of_scores
        return {"class_ids": class_ids, "scores": values}

    def _fixed(self, values: np.ndarray, empty: int) -> np.ndarray:
        missing = max(0, self._width - values.shape[1])
        return np.pad(values, [(0, 0), (0, missing)], constant_values=empty)[:, : self._width]
