"""How a text becomes tokens, and what training masks of them."""

import itertools
import re
from collections import Counter
from typing import Any

import numpy as np

from keras_mlm.errors import InputError
from keras_mlm.playground.elements import check_typed, quiet
from keras_mlm.playground.mask_words import MASK
from keras_mlm.report.element import Element, element
from keras_mlm.tokenizers.annotator import Annotator, chinese_annotator
from keras_mlm.visualize.masked_tokens import STRATEGIES, masked_tokens

# Characters of a text that are shown; more is no picture.
SHOWN = 4_000
_CHINESE = re.compile("[\u3400-\u9fff]")
_WORDS_SHOWN = 100
# Tokens of a training row.
_LENGTH = 128
_STRATEGY_WORDS = {
    "token": "token: every piece is drawn on its own",
    "whole_word": "whole word: all pieces of a word together",
    "span": "span: runs of one to ten words",
}


def token_answer(model: Any, text: str) -> Element:
    """Return the words of a text as it is written, and under each the tokens that it becomes.

    Args:
        model: model with a tokenizer.
        text: str; of a long one the beginning is shown.

    Returns:
        An `Element`.

    Raises:
        InputError: the model has no tokenizer, or the text is empty.
    """
    tokenizer = _tokenizer(model, text)
    shown = text[:SHOWN]
    tokens = tokenizer.tokenize_with_offsets(shown, mask_tokens=True)
    ids, begins, starts, ends = (np.asarray(part) for part in tokens)
    firsts = [*np.flatnonzero(begins).tolist(), len(ids)]
    if firsts[0]:
        firsts.insert(0, 0)
    words = []
    for first, last in itertools.pairwise(firsts):
        pieces = [_token(tokenizer.id_to_token(int(number))) for number in ids[first:last]]
        written = shown[int(starts[first]) : int(ends[last - 1])]
        words.append(element("span", element("small", element("bdi", written)), element("span", pieces),
                             class_="mlm-word"))  # fmt: skip
    unknown = int((ids == tokenizer.unk_token_id).sum())
    limit = model.config.max_sequence_length
    said = f"{len(words):,} words, {len(ids):,} tokens, {unknown:,} of them unknown to the vocabulary ([UNK])."
    parts: list[Any] = [element("p", said)]
    if len(shown) < len(text):
        parts.append(quiet(f"Only the first {SHOWN:,} of {len(text):,} characters are shown."))
    elif len(ids) + 2 > limit:
        parts.append(quiet(f"With [CLS] and [SEP] the model takes {limit} tokens at once: this is more."))
    return element("div", parts, element("div", words, class_="mlm-words", dir="auto"))


def masking_answer(model: Any, text: str, seed: int = 0, mask_selection_rate: float = 0.15) -> Element:
    """Return what training would see of a text, under each strategy, with the same seed.

    Args:
        model: model with a tokenizer.
        text: str; one row of it, of 128 tokens at most, is masked.
        seed: int. Defaults to `0`.
        mask_selection_rate: float in (0, 1], share of the tokens to select. Defaults to `0.15`.

    Returns:
        An `Element`.

    Raises:
        InputError: the model has no tokenizer, or the text is empty.
    """
    tokenizer = _tokenizer(model, text)
    length = min(_LENGTH, model.config.max_sequence_length)
    parts = [
        element("p", element("span", "[MASK]", class_="mlm-token mlm-masked"), " masked, ",
                element("span", "replaced", class_="mlm-token mlm-replaced"), " by a random token, ",
                element("span", "kept", class_="mlm-token mlm-kept"), " but to be predicted, too")
    ]  # fmt: skip
    annotator, said = _segmenter(text)
    if said:
        parts.append(quiet(said))
    for strategy in STRATEGIES:
        (row,) = masked_tokens(tokenizer, [text], strategy=strategy, seed=int(seed),
                               mask_selection_rate=mask_selection_rate, length=length, annotator=annotator)  # fmt: skip
        counts = Counter(token.kind for token in row)
        said = ", ".join(f"{counts[kind]} {kind}" for kind in ("masked", "replaced", "kept"))
        words = []
        for token in row:
            selected = token.kind in ("masked", "replaced", "kept")
            above = element("small", element("bdi", token.original)) if selected else None
            words.append(element("span", above, _token(token.shown, token.kind), class_="mlm-word"))
        parts += [
            element("h3", _STRATEGY_WORDS[strategy]),
            quiet(f"{said} of {len(row)} tokens"),
            element("div", words, class_="mlm-words", dir="auto"),
        ]
    if len(row) == length:
        parts.append(quiet(f"A row of training has {length} tokens here; what is longer continues in the next row."))
    return element("div", parts)


def _tokenizer(model: Any, text: str) -> Any:
    if model.tokenizer is None:
        raise InputError("the model has no tokenizer: load it with load_model, or set model.tokenizer")
    check_typed(text)
    return model.tokenizer


def _segmenter(text: str) -> tuple[Annotator | None, str]:
    """Return what finds the words of a text, `None` for the tokenizer, and what is to be said about it."""
    if not _CHINESE.search(text):
        return None, ""
    try:
        annotator = chinese_annotator()
    except InputError as error:
        return None, f"Each Chinese character is masked as a word of its own: {error}"
    words = annotator.words([text])
    ends = [*words.starts.tolist()[1:], len(text)]
    pieces = (text[start:end].strip() for start, end in zip(words.starts.tolist(), ends, strict=True))
    shown = " · ".join(itertools.islice(pieces, _WORDS_SHOWN)).replace("[ · MASK · ]", MASK)
    return annotator, f"Words of {annotator.name}, as --annotator rjieba of prepare_corpus.py finds them: {shown}"


def _token(token: str, kind: str = "") -> Element:
    kind = kind or ("unknown" if token == "[UNK]" else "plain")
    return element("span", element("bdi", token), class_=f"mlm-token mlm-{kind}")
