"""Goes on with the pre-training of a model on new text, with new words if need be."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_mlm.errors import InputError
from keras_mlm.interop.named_model import load_named
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

logger = logging.getLogger(__name__)


def with_new_words(tokenizer: WordPieceTokenizer, words: Sequence[str], source: str = "the new words") -> list[str]:
    """Return a tokenizer's vocabulary with words of a domain behind it, each of which will be one token.

    Args:
        tokenizer: WordPieceTokenizer.
        words: sequence of str; those that the vocabulary has are left out, and lower-cased where the tokenizer is.
        source: str, what messages call the words. Defaults to `"the new words"`.

    Returns:
        A list of str, the old vocabulary first, so that its ids stay.

    Raises:
        InputError: a word is none to the tokenizer, because of a space, punctuation, an accent or an ideograph.

    Example:
        ```python
        vocabulary = with_new_words(model.tokenizer, ["tachycardia", "stent"])
        ```
    """
    known = set(tokenizer.vocabulary)
    lowered = (word.lower() if tokenizer.lowercase else word for word in words)
    new = [word for word in dict.fromkeys(lowered) if word and word not in known]
    for word in new:
        if word.startswith("##"):
            raise InputError(f"{source}: {word!r} is a piece of a word; whole words are added")
    longer = _like(tokenizer, [*tokenizer.vocabulary, *new])
    for index, (word, ids) in enumerate(zip(new, longer.tokenize(new).to_list() if new else [], strict=True)):
        if ids != [tokenizer.vocabulary_size + index]:
            tokens = " ".join(longer.id_to_token(token) for token in ids)
            raise InputError(
                f"{source}: {word!r} would never be one token, but {tokens or 'none'}: the tokenizer splits at spaces, "
                "punctuation and ideographs, and may drop accents"
            )
    return longer.vocabulary


def continued_model(
    name: str, tokenizer: WordPieceTokenizer, data: str, *, next_sentence: bool = True
) -> BertPretrainer:
    """Return a model to train on with data that was prepared with its vocabulary, or with that and more words.

    A new word's embedding is the mean of those of the pieces that it was spelt with before.

    Args:
        name: str, see `load_named`. Heads that do not fit are left out; a classifier gives its encoder.
        tokenizer: WordPieceTokenizer that the data was prepared with.
        data: str, what messages call the data.
        next_sentence: bool, whether the next sentence is learned; without a trained pooler or head, from anew.

    Returns:
        A `BertPretrainer` with the data's tokenizer, not compiled.

    Raises:
        InputError: the data was prepared with another vocabulary, case or normalisation.

    Example:
        ```python
        model = continued_model("hf:bert-base-uncased", WordPieceTokenizer.load("data/news"), "data/news")
        ```
    """
    start = load_named(name, strict=False)
    ours = start.tokenizer
    assert ours is not None
    old = ours.vocabulary
    if not folds_alike(ours, tokenizer) or tokenizer.vocabulary[: len(old)] != old:
        raise InputError(
            f"{data} was prepared with another vocabulary, case or normalisation than {name} has: prepare it anew with "
            f"`python recipes/prepare_corpus.py --init {name} --text ... --output ...`"
        )
    sizes = {"vocabulary_size": tokenizer.vocabulary_size, "next_sentence": next_sentence}
    model = BertPretrainer(dataclasses.replace(start.config, **sizes), tokenizer=tokenizer)
    pieces = _pieces(ours, tokenizer.vocabulary[len(old) :])
    classifier = not isinstance(start, BertPretrainer)
    if classifier:
        logger.warning("%s is a classifier: its encoder goes on, the heads are new ones, to be trained", name)
    there = {variable.path: variable for variable in (start.backbone if classifier else start).weights}
    by_token = {variable.path for variable in _by_token(model)}
    for variable in model.weights:
        if variable.path in there:
            value = np.asarray(ops.convert_to_numpy(there[variable.path]))
            if variable.path in by_token and pieces:
                value = np.concatenate([value, [value[ids].mean(axis=0) for ids in pieces]])
            variable.assign(value)
    if next_sentence and not start.config.next_sentence and not classifier:
        logger.warning("%s has no pooler and no next-sentence head: new ones, to be trained", name)
    return model


def folds_alike(one: WordPieceTokenizer, other: WordPieceTokenizer) -> bool:
    """Return whether two tokenizers treat case, accents and rare characters the same, whatever their vocabularies."""
    strips = [(t.lowercase if t.strip_accents is None else t.strip_accents) for t in (one, other)]
    return (one.normalization, one.lowercase, strips[0]) == (other.normalization, other.lowercase, strips[1])


def _by_token(model: BertPretrainer) -> list[Any]:
    """The variables that have a row, or a number, for each token."""
    head = model.masked_lm_head
    return [model.backbone.token_embeddings, head.output_bias] + [
        table for table in (head.output_embeddings,) if table is not None
    ]


def _pieces(tokenizer: WordPieceTokenizer, words: list[str]) -> list[list[int]]:
    """The old tokens that each new word was spelt with."""
    return [ids or [tokenizer.unk_token_id] for ids in tokenizer.tokenize(words).to_list()] if words else []


def _like(tokenizer: WordPieceTokenizer, vocabulary: list[str]) -> WordPieceTokenizer:
    return WordPieceTokenizer(
        vocabulary,
        normalization=tokenizer.normalization,
        lowercase=tokenizer.lowercase,
        strip_accents=tokenizer.strip_accents,
    )
