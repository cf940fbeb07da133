"""What masking does to texts, token by token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mlm.data.record_builder import words_of_tokens
from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker
from keras_mlm.tokenizers.annotator import Annotator

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

Strategy = Literal["token", "whole_word", "span"]
STRATEGIES: tuple[Strategy, ...] = ("token", "whole_word", "span")


class MaskedToken(NamedTuple):
    """A token of a training row.

    Args:
        original: str, the token that stood in the text.
        shown: str, what the model sees in its place.
        kind: `"special"` ([CLS], [SEP] and others, never selected), `"plain"` (not selected), or of the selected ones
            `"masked"`, `"replaced"` (by a random token) or `"kept"`.
    """

    original: str
    shown: str
    kind: str


def masked_tokens(
    tokenizer: "WordPieceTokenizer",
    texts: Sequence[str],
    *,
    strategy: Strategy = "token",
    mask_selection_rate: float = 0.15,
    seed: int = 0,
    epoch: int = 0,
    length: int = 128,
    annotator: Annotator | None = None,
) -> list[list[MaskedToken]]:
    """Return texts as rows in which `MaskedLMMaskGenerator` has masked tokens, as in training.

    Args:
        tokenizer: `WordPieceTokenizer`.
        texts: sequence of str. Text `i` is masked as row `i` of an epoch.
        strategy: `"token"`, `"whole_word"` or `"span"`. Defaults to `"token"`.
        mask_selection_rate: float in (0, 1], share of a row's tokens to select. Defaults to `0.15`.
        seed: int. Defaults to `0`.
        epoch: int. Defaults to `0`.
        length: int, tokens a row, special ones included; what is longer is cut. Defaults to `128`.
        annotator: `Annotator` whose words are masked whole, such as `chinese_annotator()`, as of a corpus prepared with
            it. Defaults to `None`, the tokenizer's words: a Chinese character is one.

    Returns:
        A list of `MaskedToken` for each text, without padding.

    Raises:
        InputError: as `MaskedLMMaskGenerator` and `SegmentPacker`, or the annotator returns other text than it got.

    Example:
        ```python
        (row,) = masked_tokens(model.tokenizer, ["Paris is the capital of France ."], strategy="whole_word", seed=3)
        [token.shown for token in row if token.kind != "plain"]
        ```
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    if not texts:
        return []
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError(f"seed must be a whole number, not {seed!r}")
    tokens = tokenizer.tokenize_with_offsets(texts, mask_tokens=True)
    word_starts = tokens.word_starts
    if annotator is not None:
        starts, splits = tokens.starts.values.numpy(), tokens.starts.row_splits.numpy()
        begins, _ = words_of_tokens(texts, starts, splits, annotator, {})
        word_starts = word_starts.with_values(begins & word_starts.values.numpy())
    packer = SegmentPacker(length, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    masker = MaskedLMMaskGenerator(
        tokenizer.vocabulary_size,
        mask_selection_rate,
        tokenizer.mask_token_id,
        unselectable_token_ids=sorted(tokenizer.special_token_ids),
        seed=seed,
        strategy=strategy,
    )
    rows = packer(tokens.token_ids, word_starts=word_starts)
    index = tf.range(len(texts), dtype=tf.int64)
    masked = masker({**rows, "example_index": index, "epoch": tf.fill([len(texts)], np.int64(epoch))})
    before, after = rows["token_ids"].numpy(), masked["token_ids"].numpy()
    selected = np.zeros(before.shape, bool)
    row, slot = np.nonzero(masked["mask_weights"].numpy())
    selected[row, masked["mask_positions"].numpy()[row, slot]] = True
    # [UNK] is a special token to the masker too: it is never selected, and the picture says so.
    special = np.isin(before, tokenizer.special_token_ids)
    kind = np.where(special, "special", "plain").astype(object)  # words of any length
    kind[selected] = "kept"
    kind[selected & (after != before)] = "replaced"
    kind[selected & (after == tokenizer.mask_token_id)] = "masked"
    spell = np.array(tokenizer.vocabulary, object)
    return [
        [MaskedToken(*parts) for parts in zip(spell[old[:count]], spell[new[:count]], kinds.tolist(), strict=False)]
        for old, new, kinds, count in zip(before, after, kind, rows["padding_mask"].numpy().sum(axis=1), strict=True)
    ]
