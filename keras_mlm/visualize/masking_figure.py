"""Masked rows as a picture."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_mlm.errors import InputError
from keras_mlm.visualize.fonts import check_matplotlib, columns, drawable
from keras_mlm.visualize.masked_tokens import MaskedToken, Strategy, masked_tokens

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_mlm.tokenizers.annotator import Annotator
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# What the kinds of tokens are called, and their colours.
KINDS = {
    "masked": ("[MASK] in its place", "#f6b26b"),
    "replaced": ("replaced by a random token", "#ea9999"),
    "kept": ("kept, but to be predicted", "#a2c4f5"),
    "plain": ("not selected", "#f3f3f3"),
    "special": ("never selected", "#d9d9d9"),
}
_COLUMNS, _MOST_LINES = 110, 200
_SIZE = 9.0
# Inches of a column and of a line.
_COLUMN, _LINE = 0.62 * _SIZE / 72, 0.36


def masking_figure(
    tokenizer: "WordPieceTokenizer",
    texts: str | Sequence[str],
    *,
    strategy: Strategy = "token",
    mask_selection_rate: float = 0.15,
    seed: int = 0,
    epoch: int = 0,
    length: int = 128,
    annotator: "Annotator | None" = None,
) -> "Figure":
    """Draw what training sees of texts: masks, replacements and kept tokens in colour, what stood there above them.

    Args:
        tokenizer: `WordPieceTokenizer`, such as a model's.
        texts: str, or sequence of str, the rows of a batch.
        strategy: `"token"`, `"whole_word"` or `"span"`. Defaults to `"token"`.
        mask_selection_rate: float in (0, 1], share of a row's tokens to select. Defaults to `0.15`.
        seed: int. Defaults to `0`.
        epoch: int; every epoch has other masks. Defaults to `0`.
        length: int, tokens a row, special ones included; what is longer is cut. Defaults to `128`.
        annotator: `Annotator` whose words are masked whole, such as `chinese_annotator()`, as of a corpus prepared with
            it. Defaults to `None`, the tokenizer's words: a Chinese character is one.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: no texts, too many for a picture, no matplotlib, or as `masked_tokens`.

    Example:
        ```python
        figure = masking_figure(model.tokenizer, ["Paris is the capital of France ."], strategy="span", seed=3)
        figure.savefig("masks.png")
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), appendix A.1
    """
    check_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    rows = masked_tokens(
        tokenizer,
        [texts] if isinstance(texts, str) else texts,
        strategy=strategy,
        mask_selection_rate=mask_selection_rate,
        seed=seed,
        epoch=epoch,
        length=length,
        annotator=annotator,
    )
    if not rows:
        raise InputError("there are no texts to mask: give at least one")
    lines = [line for row in rows for line in _lines(row)]
    if len(lines) > _MOST_LINES:
        raise InputError(f"a picture holds {_MOST_LINES} lines, these texts fill {len(lines)}: give fewer")
    used = [token for line in lines for token in line]
    labels, families = drawable([label for token in used for label in (token.shown, token.original)])
    if families[0].startswith("DejaVu"):
        families = ["DejaVu Sans Mono", *families]
    below = 0.45
    height = len(lines) * _LINE + below
    figure = Figure(figsize=(_COLUMNS * _COLUMN + 0.4, height), dpi=120)
    axes = figure.add_axes((0.2 / (_COLUMNS * _COLUMN + 0.4), below / height, 1.0, 1.0 - below / height))
    axes.set_axis_off()
    axes.set_xlim(0, _COLUMNS + 0.2 / _COLUMN)
    axes.set_ylim(len(lines), 0)
    place = 0
    for number, line in enumerate(lines):
        at = 0.0
        for token in line:
            shown, original = labels[place], labels[place + 1]
            place += 2
            width = _width(token)
            colour = KINDS[token.kind][1]
            axes.add_patch(Rectangle((at + 0.15, number + 0.34), width - 0.3, 0.6, color=colour, linewidth=0))
            middle = at + width / 2
            axes.text(middle, number + 0.64, shown, fontsize=_SIZE, ha="center", va="center", family=families,
                      parse_math=False)  # fmt: skip
            if token.kind in ("masked", "replaced", "kept"):
                axes.text(middle, number + 0.18, original, fontsize=_SIZE - 2.5, ha="center", va="center",
                          family=families, color="0.35", parse_math=False)  # fmt: skip
            at += width
    counts = Counter(token.kind for token in used)
    figure.legend(
        handles=[Patch(color=colour, label=f"{counts[kind]:,} {name}") for kind, (name, colour) in KINDS.items()],
        loc="lower left", ncols=len(KINDS), fontsize=8, frameon=False,
    )  # fmt: skip
    return figure


def _width(token: MaskedToken) -> int:
    return 2 + max(columns(token.shown), columns(token.original))


def _lines(row: Sequence[MaskedToken]) -> list[list[MaskedToken]]:
    lines: list[list[MaskedToken]] = [[]]
    at = 0
    for token in row:
        if lines[-1] and at + _width(token) > _COLUMNS:
            lines.append([])
            at = 0
        lines[-1].append(token)
        at += _width(token)
    return lines
