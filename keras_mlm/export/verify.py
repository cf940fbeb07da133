"""Holds every exported artefact against the Keras model: the same answers, how large, how fast."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.export.artefacts import artefacts, reference

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

BATCH = 32


def masked_texts(tokenizer: "WordPieceTokenizer", texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return texts with one whole word replaced by `[MASK]`, and the ids of the words; texts without one are left out.

    The word is one token of the vocabulary, that nearest to the middle of the text.

    Args:
        tokenizer: WordPieceTokenizer.
        texts: sequence of str.

    Returns:
        A list of str and a list of int.
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
    return masked, answers


def verify_export(
    folder: str, model: "BertPretrainer", texts: Sequence[str], *, seconds: float = 1.0
) -> list[dict[str, Any]]:
    """Compare each artefact of an export folder with the Keras model on texts with one `[MASK]` made in each.

    Args:
        folder: str, where the numbered folders are.
        model: BertPretrainer that was exported.
        texts: sequence of str, sentences such as the export will get.
        seconds: float, how long each speed is measured. Defaults to `1.0`.

    Returns:
        A list of dicts, the Keras model's first, then one an artefact: `name`; `megabytes`; `load_seconds`;
        `first_seconds`, the first answer's; `difference`, the largest of all scores and vectors; `same_first`, the
        share of masks with the Keras model's first candidate; `right`, the share whose first candidate is the word that
        stood there; `truncated`, a share; `milliseconds` of one text; `texts_per_second` of 32 together.

    Raises:
        InputError: no text has a word that could be masked, or there is no export.
    """
    masked, answers = masked_texts(model.tokenizer, texts)
    if not masked:
        raise InputError("no text has a whole word of the vocabulary that could be masked: give others")
    rows: list[dict[str, Any]] = []
    expected: dict[int, tuple[Any, Any]] = {}
    for artefact in artefacts(folder, model):
        begun = time.perf_counter()
        fill, embed = artefact.open()
        loaded = time.perf_counter()
        fill(masked[:1])
        first = time.perf_counter()
        filled, vectors = _all(fill, masked), _all(embed, list(texts))["mean_pooled"]
        if artefact.length not in expected:
            top_k, slots = filled["scores"].shape[2], filled["scores"].shape[1]
            own_fill, own_embed = reference(model, artefact.length, top_k, slots)
            own = _all(own_fill, masked), _all(own_embed, list(texts))["mean_pooled"]
            expected[artefact.length] = own
            if not rows:
                rows.append(
                    {"name": "Keras model", "megabytes": 4 * model.count_params() / 1e6, "load_seconds": None,
                     "first_seconds": None, "difference": 0.0, "same_first": 1.0, **_shares(own[0], own[0], answers),
                     **_speed(own_fill, masked, seconds)}
                )  # fmt: skip
        own = expected[artefact.length]
        difference = max(
            float(np.abs(filled["scores"] - own[0]["scores"]).max()), float(np.abs(vectors - own[1]).max())
        )
        rows.append(
            {"name": artefact.name, "megabytes": artefact.bytes / 1e6, "load_seconds": loaded - begun,
             "first_seconds": first - loaded, "difference": difference, **_shares(filled, own[0], answers),
             **_speed(fill, masked, seconds)}
        )  # fmt: skip
    return rows


def _all(call: Callable[[list[str]], dict[str, np.ndarray]], texts: list[str]) -> dict[str, np.ndarray]:
    batches = [call(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    names = {"candidate_ids", "scores", "truncated", "mean_pooled"} & set(batches[0])
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def _shares(filled: dict[str, np.ndarray], own: dict[str, np.ndarray], answers: list[int]) -> dict[str, float]:
    # A mask behind the cut is in no row: it has no candidates to compare.
    there = own["scores"][:, 0, 0] > 0
    first, wanted = filled["candidate_ids"][:, 0, 0], own["candidate_ids"][:, 0, 0]
    return {
        "same_first": float(np.mean((first == wanted)[there])) if there.any() else 1.0,
        "right": float(np.mean((first == np.array(answers))[there])) if there.any() else 0.0,
        "truncated": float(np.mean(filled["truncated"])),
    }


def _speed(call: Callable[[list[str]], Any], texts: list[str], seconds: float) -> dict[str, float]:
    many = [texts[number % len(texts)] for number in range(BATCH)]
    return {
        "milliseconds": 1000 * _median_seconds(lambda number: call([texts[number % len(texts)]]), seconds),
        "texts_per_second": BATCH / _median_seconds(lambda number: call(many), seconds),
    }


def _median_seconds(call: Callable[[int], Any], seconds: float) -> float:
    call(0)
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        begun = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
