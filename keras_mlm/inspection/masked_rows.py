"""Masked rows as text, with what was masked, replaced and kept beside what stood there."""

import collections
import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.text_table import display_width
from keras_mlm.tokenizers.detokenizer import LEANS_BACK, Detokenizer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

Kind = Literal["plain", "special", "masked", "replaced", "kept"]
# On a terminal: dim; bold and magenta, yellow, green. The signs tell them apart where there is no colour.
_COLOURS: dict[Kind, str] = {"special": "2", "masked": "1;35", "replaced": "1;33", "kept": "1;32"}
_ENDS = {"[CLS]", "[SEP]"}


class Piece(NamedTuple):
    """A token of a row as it is shown.

    Args:
        text: str, with the space before it where there is one.
        kind: `"plain"`, `"special"`, `"masked"` (`[MASK→word]`), `"replaced"` (`{other←word}`) or `"kept"` (`(=word)`).
        breaks: bool, whether a line may end before it.
    """

    text: str
    kind: Kind
    breaks: bool


class MaskedRow(NamedTuple):
    """A row of training, to be read.

    Args:
        example_index: int, the row's ordinal in the training split.
        relation: `"is_next"` or `"not_next"`, or `None` where rows are no sentence pairs.
        pieces: list of `Piece`, without padding.
    """

    example_index: int
    relation: str | None
    pieces: list[Piece]


def masked_rows(
    folder: str,
    count: int,
    vocabulary: Sequence[str],
    *,
    length: int = 128,
    masking: Literal["token", "whole_word", "span"] = "token",
    next_sentence: bool = True,
    packed: bool = False,
    seed: int = 0,
) -> list[MaskedRow]:
    """Return the first rows that a training sees, which are random ones of the corpus.

    Args:
        folder: str, the prepared corpus.
        count: int, how many rows; of a corpus with fewer, all.
        vocabulary: sequence of str, the corpus'.
        length: int, tokens a row. Defaults to `128`.
        masking: `"token"`, `"whole_word"` or `"span"`. Defaults to `"token"`.
        next_sentence: bool, whether rows are sentence pairs. Defaults to `True`.
        packed: bool, whether several texts share a row. Defaults to `False`.
        seed: int, of the training. Defaults to `0`.

    Returns:
        List of `MaskedRow`.

    Raises:
        InputError: as `PretrainingDataset`.

    Example:
        ```python
        for row in masked_rows("data/news", 10, tokenizer.vocabulary, masking="whole_word"):
            print(masked_row_text(row.pieces, columns=100))
        ```
    """
    data = PretrainingDataset(
        folder, length=length, batch_size=count, masking=masking, next_sentence=next_sentence, packed=packed, seed=seed
    )
    (batch,) = data.keyed_batches().take(1).as_numpy_iterator()
    rows = [{name: values[row] for name, values in batch.items()} for row in range(min(count, data.rows))]
    detokenizer = Detokenizer(vocabulary, vocabulary.index("[PAD]"))
    return [
        MaskedRow(
            int(row["example_index"]),
            ("is_next", "not_next")[row["next_sentence_labels"]] if next_sentence else None,
            row_pieces(row, vocabulary, detokenizer),
        )
        for row in rows
    ]


def row_pieces(row: dict[str, Any], vocabulary: Sequence[str], detokenizer: Detokenizer) -> list[Piece]:
    """Return the tokens of a masked row as they are shown.

    Args:
        row: dict of arrays: `token_ids` and `padding_mask` `(length,)`, `mask_positions`, `mask_ids` and `mask_weights`
            `(slots,)`, as `MaskedLMMaskGenerator` gives them.
        vocabulary: sequence of str.
        detokenizer: `Detokenizer` of it.

    Returns:
        List of `Piece`, one for each token that is no padding.
    """
    used = row["mask_weights"] > 0
    truth = dict(zip(row["mask_positions"][used].tolist(), row["mask_ids"][used].tolist(), strict=True))
    token_ids = row["token_ids"][row["padding_mask"]].tolist()
    original = [truth.get(place, token_id) for place, token_id in enumerate(token_ids)]
    spaced = detokenizer.pieces(tf.ragged.constant([original], tf.int32)).values.numpy()
    pieces = []
    for place, (token_id, text) in enumerate(zip(token_ids, spaced, strict=True)):
        was, now, text = vocabulary[original[place]], vocabulary[token_id], text.decode()
        space = text[: len(text) - len(text.lstrip(" "))]
        if place and {was, vocabulary[original[place - 1]]} & _ENDS:
            # A text that was cut inside a word begins with a piece, and is seen to.
            space, text = " ", " " + was
        kind: Kind = "special" if was in SPECIAL_TOKENS else "plain"
        if place in truth:
            # As the vocabulary has them: what a model sees and has to say is a piece, not the word around it.
            kind = "masked" if now == "[MASK]" else "kept" if now == was else "replaced"
            text = space + {"masked": f"[MASK→{was}]", "replaced": f"{{{now}←{was}}}", "kept": f"(={was})"}[kind]
        breaks = bool(space) or (display_width(was[:1]) == 2 and was not in LEANS_BACK)
        pieces.append(Piece(text, kind, breaks))
    return pieces


def masked_row_text(pieces: Sequence[Piece], columns: int, *, colour: bool = False, indent: str = "  ") -> str:
    """Return a row as lines.

    Args:
        pieces: sequence of `Piece`.
        columns: int, the width of the lines; a single word may be wider.
        colour: bool, whether to set terminal colours. Defaults to `False`.
        indent: str, before each line. Defaults to two spaces.

    Returns:
        A str without a newline at its end.
    """
    lines: list[list[Piece]] = [[]]
    left = room = columns - len(indent)
    bounds = [place for place, piece in enumerate(pieces) if piece.breaks or place == 0]
    for begin, end in zip(bounds, [*bounds[1:], len(pieces)], strict=True):
        unit = list(pieces[begin:end])
        width = display_width("".join(piece.text for piece in unit))
        if width > left and lines[-1]:
            lines.append([])
            left = room
        if not lines[-1]:
            unit[0] = unit[0]._replace(text=unit[0].text.lstrip(" "))
        lines[-1] += unit
        left -= width
    return "\n".join(indent + "".join(_shown(piece, colour) for piece in line) for line in lines)


def count_kinds(rows: Sequence[MaskedRow]) -> dict[str, int]:
    """Return how many tokens of some rows were masked, replaced and kept."""
    kinds = collections.Counter(piece.kind for row in rows for piece in row.pieces)
    return {kind: kinds[kind] for kind in ("masked", "replaced", "kept")}


def _shown(piece: Piece, colour: bool) -> str:
    # A vocabulary may hold anything: no control character of a corpus reaches a terminal.
    text = re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", piece.text)
    if not colour or piece.kind not in _COLOURS:
        return text
    words = text.lstrip(" ")
    return f"{' ' * (len(text) - len(words))}\033[{_COLOURS[piece.kind]}m{words}\033[0m"
