from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.models.fine_tuned_model import FineTunedModel
from keras_mlm.models.tag_decoder import TagDecoder
from keras_mlm.models.word_windows import WordWindows, word_windows
from keras_mlm.tag_scheme import OUTSIDE, scheme_of, spans


class TaggedSpan(NamedTuple):
    """A named entity, or a word, in a text.

    Args:
        text: str, what stands there: `original[start:end]`.
        label: str, the type of the entity, or the tag of the word.
        start: int, its first character in the original text.
        end: int, one past its last character.
        score: float, the probability of its least certain tag.
    """

    text: str
    label: str
    start: int
    end: int
    score: float


class WordPredictions(NamedTuple):
    """What a tagger says about sentences of words.

    Args:
        tags: list of lists of str, a tag a word.
        scores: list of float32 arrays `(words,)`, the probability of each tag.
    """

    tags: list[list[str]]
    scores: list[np.ndarray]


@keras.saving.register_keras_serializable(package="keras_mlm")
class BertTokenClassifier(FineTunedModel):
    """A BERT that tags words: named entities, parts of speech.

    `compile(optimizer)` and `fit(dataset)` is all it takes; logs hold `loss` and `accuracy`, over the global batch of
    all replicas, and labels with a negative class number are ignored. A word is tagged at its first piece. Sentences
    longer than `length` tokens become overlapping windows; no word is lost. Where the classes spell spans (B-, I-, O,
    also with E- and S-), only tags that may follow each other are predicted.

    Args:
        config: `BertConfig`, the architecture of the encoder.
        classes: sequence of str, the tags.
        tokenizer: `WordPieceTokenizer`. Defaults to `None`, no text methods.
        length: int, the longest row in tokens, special tokens included. Defaults to the encoder's.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Call arguments:
        inputs: dict with `"token_ids"`, `"segment_ids"`, `"padding_mask"` `(batch, length)`.

    Returns:
        Logits `(batch, length, classes)`.

    Example:
        ```python
        model = BertTokenClassifier.from_encoder(load_model("saved_models/news"), ["B-PER", "I-PER", "O"], length=128)
        rows = model.encode_words([["Ada", "Lovelace", "wrote", "it"]])
        labels = rows.labels(model.class_numbers(["B-PER", "I-PER", "O", "O"]))
        model.compile(keras.optimizers.AdamW(5e-4))
        model.fit(labelled_batches(rows.rows, labels), epochs=3)
        model.predict_texts(["Ada Lovelace wrote it."])
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), section 5.3
    """

    pooled = False

    def __init__(self, config: Any, classes: Sequence[str], tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(config, classes, tokenizer, **{"name": "bert_token_classifier", **kwargs})
        self.scheme = scheme_of(self.classes)
        self._decoder = TagDecoder(self.classes)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> WordWindows:
        """Return sentences of words as rows of ids.

        Args:
            sentences: sequence of sequences of str, the words; one of which the tokenizer leaves nothing is `[UNK]`.

        Returns:
            `WordWindows`: the rows, and which token each word is predicted from.
        """
        self.need_tokenizer()
        words = [word for sentence in sentences for word in sentence]
        tokens = self.tokenizer.tokenize(words) if words else None
        found = np.diff(np.asarray(tokens.row_splits)) if tokens is not None else np.zeros(0, int)
        counts = np.maximum(found, 1)
        pieces = np.full(counts.sum(), self.tokenizer.unk_token_id, "int32")
        if tokens is not None:
            pieces[np.repeat(found > 0, counts)] = np.asarray(tokens.values)
        return self.windows_of(pieces, counts, [len(sentence) for sentence in sentences])

    def predict_windows(self, windows: WordWindows) -> WordPredictions:
        """Return the tags of encoded sentences, as `predict_words` does.

        Args:
            windows: `WordWindows`, as `encode_words` returns them.

        Returns:
            `WordPredictions`.
        """
        return self.decode(self.word_logits(windows), windows.splits)

    def predict_words(self, sentences: Sequence[Sequence[str]]) -> WordPredictions:
        """Return the tags of sentences that are split into words already.

        Args:
            sentences: sequence of sequences of str.

        Returns:
            `WordPredictions` of `tags`, a list of str a sentence, and `scores`, their probabilities.

        Example:
            ```python
            model.predict_words([["Ada", "wrote", "it"]]).tags  # [["B-PER", "O", "O"]]
            ```
        """
        return self.predict_windows(self.encode_words(sentences))

    def predict_texts(
        self, texts: str | Sequence[str], *, segment: Callable[[str], Sequence[str]] | None = None
    ) -> list[list[TaggedSpan]]:
        """Return the entities of texts, or all their words where the tags are no spans, with their places.

        Args:
            texts: str, or sequence of str, of any length.
            segment: callable, gives the words of a text in their order, such as `jieba.lcut`. Defaults to `None`, the
                tokenizer's own words: spaces, punctuation and Chinese characters separate them.

        Returns:
            A list of `TaggedSpan` for each text. `text[span.start:span.end]` is `span.text`, always.

        Raises:
            InputError: `segment` gave words that are not in the text.

        Example:
            ```python
            ((entity,),) = model.predict_texts("It was Ada who wrote it.")
            entity.text, entity.label, entity.start  # ("Ada", "PER", 7)
            ```
        """
        units = self._units([texts] if isinstance(texts, str) else list(texts), segment)
        return [[unit for unit in of_text if self.scheme is None or unit.label != OUTSIDE] for of_text in units]

    def annotate(
        self, texts: Sequence[str], *, segment: Callable[[str], Sequence[str]] | None = None
    ) -> tuple[list[list[str]], list[list[str]]]:
        """Return the words of texts and their tags: the tagger as an annotator.

        Where tags spell spans, a span is one word: a tagger of characters whose tags are `B-NOUN`, `I-NOUN`, ... finds
        the words of Chinese by itself.

        Args:
            texts: sequence of str.
            segment: callable, as of `predict_texts`.

        Returns:
            Words and tags, a list of str for each text; words are as they are written in the text, in its order.

        Example:
            ```python
            words, tags = model.annotate(["Ada wrote it."])  # [["Ada", "wrote", "it", "."]], [["PROPN", "VERB", ...]]
            ```
        """
        units = self._units(list(texts), segment)
        return [[unit.text for unit in of_text] for of_text in units], [
            [unit.label for unit in of_text] for of_text in units
        ]

    def word_logits(self, windows: WordWindows) -> np.ndarray:
        """Return the logits of all words of encoded sentences.

        Args:
            windows: `WordWindows`, as `encode_words` returns them.

        Returns:
            float32 array `(words, classes)`.
        """
        if not windows.rows:
            return np.zeros((0, len(self.classes)), "float32")
        return windows.of_words(self.logits(windows.rows))

    def decode(self, logits: np.ndarray, splits: np.ndarray) -> WordPredictions:
        """Return the most probable legal tags of sentences.

        Args:
            logits: float array `(words, classes)`, as `word_logits` returns it.
            splits: int array `(sentences + 1,)`, where each sentence begins, and the end of the last.

        Returns:
            `WordPredictions`.
        """
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        tags, scores = [], []
        for of_words in np.split(log_probabilities, splits[1:-1]):
            numbers = self._decoder.decode(of_words)
            tags.append([self.classes[number] for number in numbers])
            scores.append(np.exp(of_words[np.arange(len(numbers)), numbers]))
        return WordPredictions(tags[: len(splits) - 1], scores[: len(splits) - 1])

    def windows_of(self, pieces: np.ndarray, piece_counts: np.ndarray, word_counts: Sequence[int]) -> WordWindows:
        """Return sentences whose words are pieces already as rows of ids.

        Args:
            pieces: int array `(pieces,)`, ids of the pieces of all words.
            piece_counts: int array `(words,)`, pieces of each word, at least one.
            word_counts: sequence of int, words of each sentence.

        Returns:
            `WordWindows`.
        """
        return word_windows(
            pieces,
            piece_counts,
            word_counts,
            length=self.length,
            cls=self.tokenizer.cls_token_id,
            sep=self.tokenizer.sep_token_id,
        )

    def _units(self, texts: list[str], segment: Callable[[str], Sequence[str]] | None) -> list[list[TaggedSpan]]:
        """Return what texts consist of: words, and spans of them."""
        self.need_tokenizer()
        if segment is None:
            words = self.tokenizer.words(texts)
            windows = self.windows_of(words.token_ids, words.piece_counts, words.word_counts)
            starts, ends = words.starts.tolist(), words.ends.tolist()
        else:
            places = [_places(text, segment(text)) for text in texts]
            windows = self.encode_words([[text[a:b] for a, b in of] for text, of in zip(texts, places, strict=True)])
            starts, ends = ([place[side] for of_text in places for place in of_text] for side in (0, 1))
        predicted = self.predict_windows(windows)
        units = []
        for text, tags, scores, first in zip(texts, *predicted, windows.splits[:-1].tolist(), strict=True):
            found = []
            for start, end, label in self._spans(tags):
                a, b = starts[first + start], ends[first + end - 1]
                found.append(TaggedSpan(text[a:b], label, a, b, float(scores[start:end].min())))
            units.append(found)
        return units

    def _spans(self, tags: list[str]) -> list[tuple[int, int, str]]:
        if self.scheme is None:
            return [(place, place + 1, tag) for place, tag in enumerate(tags)]
        outside = [(place, place + 1, tag) for place, tag in enumerate(tags) if tag == OUTSIDE]
        return sorted([*spans(tags), *outside])


def _places(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where words stand in a text; what is only space is no word."""
    places, end = [], 0
    for word in words:
        start = text.find(word, end)
        if start < 0 or text[end:start].strip():
            raise InputError(
                f"segment gave {word!r}, which is not what comes next in the text: {text[end : end + 40]!r}"
            )
        end = start + len(word)
        if word.strip():
            places.append((start, end))
    return places
