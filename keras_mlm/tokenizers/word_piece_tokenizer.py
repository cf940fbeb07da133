"""WordPiece on string tensors, in the graph or eagerly, with one result."""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.tokenizers.detokenizer import Detokenizer
from keras_mlm.tokenizers.exact_word_piece import ExactWordPiece
from keras_mlm.tokenizers.fast_word_piece import FastWordPiece
from keras_mlm.tokenizers.normalization import Normalization, strips_accents
from keras_mlm.tokenizers.text_words import TextWords, text_words
from keras_mlm.tokenizers.tokenized_text import TokenizedText
from keras_mlm.tokenizers.vocabulary_file import (
    SPECIAL_TOKENS,
    check_vocabulary,
    continues_word,
    read_vocabulary,
    vocabulary_hash,
    write_vocabulary,
)

FORMAT_VERSION = 1
SETTINGS = {"format_version", "class", "normalization", "lowercase", "strip_accents", "vocabulary_hash"}


class WordPieceTokenizer:
    """Turns strings into token ids and back, inside a `tf.function`, a `Dataset.map` or eagerly.

    Two normalisations are offered. `"fast"` runs tensorflow-text's fused kernels and folds compatibility characters
    (`ﬁ` to `fi`, `…` to `...`): right for a vocabulary trained with it. `"bert"` gives the tokens of Google's and
    Hugging Face's tokenizers, for vocabularies and weights that come from there. A vocabulary should only be used
    with the normalisation that it was made for; the saved folder says which.

    Args:
        vocabulary: sequence of str in the order of their ids, or str, the path of a file with one token a line.
        normalization: `"fast"` or `"bert"`. Defaults to `"fast"`.
        lowercase: bool, whether upper and lower case are the same. Defaults to `True`.
        strip_accents: bool, or `None` for the value of `lowercase`, which is the only one that `"fast"` offers.
            Defaults to `None`.

    Raises:
        InputError: the vocabulary lacks a special token or has one twice, or the combination is not offered.

    Example:
        ```python
        tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "paris", "is", "##t"])
        tokenizer.tokenize(["Paris ist", "[MASK] is"], mask_tokens=True)  # [[5, 6, 7], [4, 6]]
        ```

    References:
        * [Song et al., 2021, Fast WordPiece Tokenization](https://arxiv.org/abs/2012.15524)
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | str,
        *,
        normalization: Normalization = "fast",
        lowercase: bool = True,
        strip_accents: bool | None = None,
    ) -> None:
        source = vocabulary if isinstance(vocabulary, str) else "the vocabulary"
        self.vocabulary = read_vocabulary(vocabulary) if isinstance(vocabulary, str) else list(vocabulary)
        check_vocabulary(self.vocabulary, source)
        self.normalization = normalization
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.vocabulary_size = len(self.vocabulary)
        self.vocabulary_hash = vocabulary_hash(self.vocabulary)
        self.continuation = np.array([continues_word(token) for token in self.vocabulary])
        self._ids = {token: token_id for token_id, token in enumerate(self.vocabulary)}
        self.special_token_ids = [self._ids[token] for token in SPECIAL_TOKENS]
        (
            self.pad_token_id,
            self.unk_token_id,
            self.cls_token_id,
            self.sep_token_id,
            self.mask_token_id,
        ) = self.special_token_ids
        self._detokenizer = Detokenizer(self.vocabulary, self.pad_token_id)
        strips = strips_accents(normalization, lowercase, strip_accents)
        self._word_pieces: FastWordPiece | ExactWordPiece
        # Kernels and constants belong to no graph in particular, wherever the tokenizer is made.
        with tf.init_scope(), tf.device("CPU:0"):
            if normalization == "fast":
                self._word_pieces = FastWordPiece(self.vocabulary, lowercase=lowercase)
            else:
                self._word_pieces = ExactWordPiece(self.vocabulary, lowercase=lowercase, strip_accents=strips)

    def tokenize(self, text: Any, *, mask_tokens: bool = False) -> tf.RaggedTensor | tf.Tensor:
        """Token ids without [CLS] and [SEP].

        Args:
            text: str, sequence of str, or string tensor `()` or `(batch,)`. Bytes that are no UTF-8 count as unknown
                characters.
            mask_tokens: bool, whether a literal `[MASK]` becomes the mask token. Defaults to `False`.

        Returns:
            Ragged int32 `(batch, tokens)`, or a tensor `(tokens,)` for one string.
        """
        texts = string_tensor(text)
        if texts.shape.rank == 0:
            return self.tokenize(texts[tf.newaxis], mask_tokens=mask_tokens).values
        if not mask_tokens:
            return self._word_pieces.tokenize(texts)
        parts = tf.strings.split(texts, "[MASK]")
        return _join_parts(
            parts, self._word_pieces.tokenize(parts.values), tf.fill(tf.shape(parts.values), self.mask_token_id)
        )

    def tokenize_with_offsets(self, text: Any, *, mask_tokens: bool = False) -> TokenizedText:
        """Token ids, which of them start a word, and the characters they stand for in the original string.

        Args:
            text: str, sequence of str, or string tensor `()` or `(batch,)`.
            mask_tokens: bool, whether a literal `[MASK]` becomes the mask token. Defaults to `False`.

        Returns:
            `TokenizedText` of ragged tensors `(batch, tokens)`, or tensors `(tokens,)` for one string. Offsets count
            characters (code points), so in Python `text[start:end]` is what the token was made of.
        """
        texts = string_tensor(text)
        if texts.shape.rank == 0:
            batch = self.tokenize_with_offsets(texts[tf.newaxis], mask_tokens=mask_tokens)
            return TokenizedText(*(values.values for values in batch))
        texts = self._word_pieces.repair(texts)
        if mask_tokens:
            parts = tf.strings.split(texts, "[MASK]")
            token_ids, starts, ends = self._word_pieces.tokenize_with_offsets(parts.values)
            # Where each part starts in its text: behind the parts before it and a [MASK] after each of those.
            lengths = tf.strings.length(parts.values, unit="UTF8_CHAR")
            place = tf.cumsum(lengths + len("[MASK]"), exclusive=True)
            place -= tf.gather(place, tf.gather(parts.row_starts(), parts.value_rowids()))
            token_ids = _join_parts(parts, token_ids, tf.fill(tf.shape(parts.values), self.mask_token_id))
            starts = _join_parts(parts, starts + place[:, tf.newaxis], place + lengths)
            ends = _join_parts(parts, ends + place[:, tf.newaxis], place + lengths + len("[MASK]"))
        else:
            token_ids, starts, ends = self._word_pieces.tokenize_with_offsets(texts)
        word_starts = tf.logical_not(tf.gather(tf.constant(self.continuation), token_ids.values))
        return TokenizedText(token_ids, token_ids.with_values(word_starts), starts, ends)

    def words(self, texts: Sequence[str]) -> TextWords:
        """The words that texts are split into, with their pieces and places: a Chinese character is a word.

        Args:
            texts: sequence of str.

        Returns:
            `TextWords` of arrays.
        """
        token_ids, *rest = self.tokenize_with_offsets(list(texts))
        word_starts, starts, ends = (values.values.numpy() for values in rest)
        splits = token_ids.row_splits.numpy()
        return text_words(texts, token_ids.values.numpy(), word_starts, starts, ends, splits)

    def detokenize(self, token_ids: Any) -> tf.Tensor:
        """Readable text of token ids: pieces joined, words spaced, [PAD] left out.

        Args:
            token_ids: list of int, lists of them, or integer tensor, dense or ragged, `(tokens,)` or `(batch, tokens)`.

        Returns:
            String tensor `()` or `(batch,)`. What normalisation folded does not come back.
        """
        ids = tf.ragged.constant(token_ids, tf.int32) if isinstance(token_ids, list | tuple) else token_ids
        if ids.shape.rank == 1:
            return self.detokenize(ids[tf.newaxis])[0]
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.RaggedTensor.from_tensor(ids)
        return self._detokenizer.detokenize(ids)

    def token_to_id(self, token: str) -> int:
        """The id of a token, or that of [UNK].

        Args:
            token: str.

        Returns:
            int.
        """
        return self._ids.get(token, self.unk_token_id)

    def id_to_token(self, token_id: int) -> str:
        """The token of an id.

        Args:
            token_id: int, below `vocabulary_size`.

        Returns:
            str.
        """
        return self.vocabulary[token_id]

    def save(self, folder: str) -> None:
        """Write `vocab.txt` and `tokenizer.json` into a folder, which is made if need be.

        Args:
            folder: str, local or remote.
        """
        tf.io.gfile.makedirs(folder)
        write_vocabulary(self.vocabulary, tf.io.gfile.join(folder, "vocab.txt"))
        settings = {
            "format_version": FORMAT_VERSION,
            "class": "WordPieceTokenizer",
            "normalization": self.normalization,
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "vocabulary_size": self.vocabulary_size,
            "vocabulary_hash": self.vocabulary_hash,
        }
        with tf.io.gfile.GFile(tf.io.gfile.join(folder, "tokenizer.json"), "w") as file:
            file.write(json.dumps(settings, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str) -> "WordPieceTokenizer":
        """The tokenizer that was saved into a folder; only that folder is read.

        Args:
            folder: str, what `save` was given.

        Returns:
            `WordPieceTokenizer`.

        Raises:
            InputError: a file is missing or damaged, or the vocabulary is not the one that was saved.
        """
        path = tf.io.gfile.join(folder, "tokenizer.json")
        try:
            with tf.io.gfile.GFile(path, "r") as file:
                settings = json.loads(file.read())
        except (tf.errors.NotFoundError, tf.errors.FailedPreconditionError) as error:
            raise InputError(f"{path}: no such file; a tokenizer's folder has it beside vocab.txt") from error
        except ValueError as error:
            raise InputError(f"{path}: not JSON: {error}") from error
        if not isinstance(settings, dict) or SETTINGS - settings.keys():
            raise InputError(f"{path}: not the settings of a tokenizer: {', '.join(sorted(SETTINGS))}")
        if (settings["format_version"], settings["class"]) != (FORMAT_VERSION, cls.__name__):
            raise InputError(
                f"{path}: a {settings['class']} of format {settings['format_version']}; "
                f"this version reads {cls.__name__} of format {FORMAT_VERSION}"
            )
        vocabulary_path = tf.io.gfile.join(folder, "vocab.txt")
        tokenizer = cls(
            vocabulary_path,
            normalization=settings["normalization"],
            lowercase=settings["lowercase"],
            strip_accents=settings["strip_accents"],
        )
        if tokenizer.vocabulary_hash != settings["vocabulary_hash"]:
            raise InputError(
                f"{vocabulary_path}: not the vocabulary that {path} was written with; restore the one or the other"
            )
        return tokenizer


def string_tensor(text: Any) -> tf.Tensor:
    """A string tensor; lone surrogates, which Python strings may hold and UTF-8 may not, count as unknown."""
    try:
        texts = tf.convert_to_tensor(text, tf.string)
    except ValueError:  # which is all that TensorFlow says about them
        single = isinstance(text, str)
        repaired = [re.sub("[\ud800-\udfff]", "\ufffd", item) for item in ([text] if single else text)]
        texts = tf.convert_to_tensor(repaired[0] if single else repaired, tf.string)
    if texts.shape.rank not in (0, 1):
        raise InputError(f"texts are one string or a vector of strings, not a tensor of shape {texts.shape}")
    return texts


def _join_parts(parts: tf.RaggedTensor, values: tf.RaggedTensor, between: tf.Tensor) -> tf.RaggedTensor:
    """Values `(parts, tokens)` as rows of texts, each part's `between` `(parts,)` behind it, except a text's last."""
    row = parts.value_rowids()
    followed = tf.equal(tf.concat([row[1:], [-1]], axis=0)[: tf.size(row)], row)
    gaps = tf.RaggedTensor.from_row_lengths(between[followed], tf.cast(followed, tf.int64))
    joined = tf.concat([values, gaps], axis=1)
    return tf.RaggedTensor.from_row_splits(joined.values, tf.gather(joined.row_splits, parts.row_splits))
