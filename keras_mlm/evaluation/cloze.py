"""A cloze test: one whole word masked in each of a hundred held-out sentences."""

import hashlib
import heapq
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.token_record import TokenRecord, read_records
from keras_mlm.evaluation.masked_lm_evaluation import check_vocabulary

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


class Question(NamedTuple):
    """A sentence with one `[MASK]`, and the word that stood there."""

    text: str
    answer: str


# Sentences of fewer tokens give no context; longer ones are lists and tables more often than sentences.
_SHORTEST, _LONGEST = 6, 60
# What a shell reads inside double quotes.
_SHELL = set('"$`\\!')


def cloze(model: "BertPretrainer", folder: str, *, sentences: int = 100, seed: int = 0) -> dict[str, int]:
    """Return in how many held-out sentences a model guesses a masked word, first or among its first five.

    The sentences are those with the smallest keys, a hash of the seed and the sentence's tokens, so they depend neither
    on their order nor on the model. The key also picks the word: one that is a single token of letters (or one Chinese
    character) and no part of a longer word.

    Args:
        model: BertPretrainer with a tokenizer.
        folder: str, a data folder made with the model's vocabulary; its validation split is used.
        sentences: int, how many sentences. Defaults to `100`.
        seed: int, the validation seed. Defaults to `0`.

    Returns:
        A dict: `cloze_sentences` (fewer where there are not enough), `cloze_top1` and `cloze_top5` (hits).

    Raises:
        InputError: another vocabulary.

    Example:
        ```python
        cloze(model, "data/news")  # {"cloze_sentences": 100, "cloze_top1": 31, "cloze_top5": 52}
        ```

    References:
        - [Cloze procedure](https://doi.org/10.1177/107769905303000401)
    """
    manifest = Manifest.load(folder)
    check_vocabulary(model, manifest.vocabulary_hash)
    tokenizer = model.tokenizer
    chosen = _questions(tokenizer, manifest, folder, sentences, seed, model.config.max_sequence_length)
    width = max((len(ids) for ids, _ in chosen), default=0) + 2
    token_ids = np.full((len(chosen), width), tokenizer.pad_token_id, "int32")
    padding_mask = np.zeros(token_ids.shape, bool)
    positions = np.array([place + 1 for _, place in chosen], "int32")[:, None]
    for row, (ids, _) in enumerate(chosen):
        token_ids[row, : len(ids) + 2] = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
        padding_mask[row, : len(ids) + 2] = True
    wanted = np.take_along_axis(token_ids, positions, axis=1)
    np.put_along_axis(token_ids, positions, tokenizer.mask_token_id, axis=1)
    rows = {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "padding_mask": padding_mask,
        "mask_positions": positions,
    }
    top1 = top5 = 0
    for start in range(0, len(chosen), 32):
        inputs = {name: values[start : start + 32] for name, values in rows.items()}
        logits = np.asarray(model(inputs, training=False)["masked_lm"]).astype("float32")[:, 0]
        # The rank is the number of tokens that score at least as high, so that a tie is no hit by luck.
        target = np.take_along_axis(logits, wanted[start : start + 32], axis=1)
        rank = (logits >= target).sum(axis=1)
        top1, top5 = top1 + int((rank <= 1).sum()), top5 + int((rank <= 5).sum())
    return {"cloze_sentences": len(chosen), "cloze_top1": top1, "cloze_top5": top5}


def cloze_questions(
    tokenizer: "WordPieceTokenizer",
    folder: str,
    *,
    sentences: int,
    seed: int = 0,
    max_sequence_length: int = _LONGEST + 2,
) -> list[Question]:
    """Return the first sentences of the cloze test as text, to be read.

    Args:
        tokenizer: WordPieceTokenizer of the corpus.
        folder: str, a data folder; its validation split is used.
        sentences: int, how many sentences.
        seed: int, the validation seed. Defaults to `0`.
        max_sequence_length: int, the positions that a model has. Defaults to `62`, no limit of its own.

    Returns:
        A list of `Question`, fewer where there are not enough: the sentence with `[MASK]` in it, and the word that
        stood there.
    """
    questions = []
    for ids, place in _questions(tokenizer, Manifest.load(folder), folder, sentences, seed, max_sequence_length):
        answer = tokenizer.id_to_token(int(ids[place]))
        masked = np.concatenate([ids[:place], [tokenizer.mask_token_id], ids[place + 1 :]])
        text = tokenizer.detokenize(tf.constant(masked, tf.int32)).numpy().decode()
        questions.append(Question(text, answer))
    return questions


def example_to_type(tokenizer: "WordPieceTokenizer", folder: str) -> str:
    """Return a held-out sentence with a `[MASK]` that may stand between double quotes in a shell.

    Args:
        tokenizer: WordPieceTokenizer of the corpus.
        folder: str, a data folder.

    Returns:
        A str; only `"[MASK]"` where no sentence will do.
    """
    texts = [question.text for question in cloze_questions(tokenizer, folder, sentences=8)]
    return next((text for text in texts if not _SHELL & set(text)), "[MASK]")


def _questions(
    tokenizer: "WordPieceTokenizer",
    manifest: Manifest,
    folder: str,
    sentences: int,
    seed: int,
    max_sequence_length: int,
) -> list[tuple[np.ndarray, int]]:
    """Return (token ids, masked place) of the sentences to ask for."""
    ordinary = np.array([token.isalpha() for token in tokenizer.vocabulary])
    ordinary[tokenizer.special_token_ids] = False
    records = (
        record
        for path in manifest.shard_paths(folder, "validation")
        for record in read_records(path, manifest.token_dtype)
    )
    return _choose(records, ordinary, sentences, seed, min(_LONGEST, max_sequence_length - 2))


def _choose(
    records: Iterator[TokenRecord], ordinary: np.ndarray, sentences: int, seed: int, longest: int
) -> list[tuple[np.ndarray, int]]:
    """Return (token ids, masked place) of the sentences with the smallest keys, each sentence once."""

    def candidates() -> Iterator[tuple[int, tuple[int, ...], int]]:
        for record in records:
            bounds = [*np.flatnonzero(record.sentence_starts), len(record.token_ids)]
            single = record.word_starts & np.append(record.word_starts[1:] | record.sentence_starts[1:], True)
            usable = single & ordinary[record.token_ids]
            for start, stop in itertools.pairwise(bounds):
                places = np.flatnonzero(usable[start:stop])
                if _SHORTEST <= stop - start <= longest and len(places):
                    ids = record.token_ids[start:stop]
                    digest = hashlib.blake2b(
                        ids.astype("<i4").tobytes(), digest_size=16, salt=seed.to_bytes(8, "little")
                    )
                    key = int.from_bytes(digest.digest(), "little")
                    yield key, tuple(ids.tolist()), int(places[(key >> 64) % len(places)])

    found: dict[int, tuple[np.ndarray, int]] = {}
    heap: list[int] = []
    for key, ids, place in candidates():
        if key in found or (len(heap) == sentences and key >= -heap[0]):
            continue
        found[key] = np.array(ids, "int32"), place
        heapq.heappush(heap, -key)
        if len(heap) > sentences:
            del found[-heapq.heappop(heap)]
    return [found[key] for key in sorted(found)]
