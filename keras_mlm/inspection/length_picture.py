"""Histograms of a corpus as one picture."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.inspection.corpus_inspection import CorpusInspection
from keras_mlm.inspection.inspection_text import LAYOUTS
from keras_mlm.inspection.length_counts import LengthCounts
from keras_mlm.inspection.scripts import script_shares

_COLOURS = {"training": "#2b6cb0", "validation": "#dd8a1f"}
_LAYOUT_COLOURS = {"pairs": "#b5541c", "single": "#dd8a1f", "packed": "#2b6cb0"}
# Bars of a histogram, and scripts that get a bar of their own.
_BARS, _SCRIPTS = 40, 8


def save_length_picture(path: str, inspection: CorpusInspection) -> None:
    """Draw how long documents and sentences are, the padding of rows and the shares of scripts, and write it as PNG.

    Args:
        path: str, local or remote file.
        inspection: `CorpusInspection`.

    Raises:
        InputError: matplotlib is not installed.

    Example:
        ```python
        save_length_picture("news.png", CorpusInspection.read("data/news"))
        ```
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("the picture needs matplotlib: pip install matplotlib") from None

    figure = Figure(figsize=(11, 7.5), layout="constrained", dpi=120)
    places = figure.subplots(2, 2)
    lengths = sorted({shape.length for shape in inspection.shapes})
    splits = inspection.splits
    _histogram(places[0, 0], "documents", {name: split.document_lengths for name, split in splits.items()}, lengths)
    _histogram(places[0, 1], "sentences", {name: split.sentence_lengths for name, split in splits.items()}, lengths)
    _padding(places[1, 0], inspection, lengths)
    _scripts(places[1, 1], inspection)
    tokens = sum(split.tokens for split in splits.values())
    documents = sum(split.documents for split in splits.values())
    name = inspection.folder.rstrip("/").rpartition("/")[2]
    # The usual font has no Chinese characters.
    name = name + ": " if all(ord(character) < 0x2E80 for character in name) else ""
    figure.suptitle(f"{name}{documents:,} documents, {tokens:,} tokens", fontsize=13)
    with tf.io.gfile.GFile(path, "wb") as file:
        figure.savefig(file, format="png")


def _histogram(axes: Any, what: str, counts: dict[str, LengthCounts], lengths: list[int]) -> None:
    longest = max(max(count.percentile(100) for count in counts.values()), 2)
    shortest = min((count.percentile(0) for count in counts.values() if count.number), default=1)
    # Bars as wide as each other on the axis; below a few tokens there is no length between two whole numbers.
    bounds = np.unique(np.round(np.geomspace(max(shortest, 1), longest + 1, _BARS + 1)))
    for name, count in counts.items():
        if count.number:
            heights, _ = np.histogram(count.lengths, bounds, weights=count.counts)
            share = 100 * heights / count.number
            training = name == "training"
            # A bar of three lengths is no taller than its neighbours of two for that: shares of equal widths.
            share = share / np.diff(np.log(bounds)) * np.log((longest + 1) / max(shortest, 1)) / _BARS
            axes.stairs(share, bounds, fill=training, color=_COLOURS[name], label=name, alpha=0.55 if training else 1.0,
                        linewidth=1.5)  # fmt: skip
    median = counts["training"].percentile(50)
    axes.set_xscale("log")
    ticks = [tick for tick in 2 ** np.arange(21) if shortest <= tick <= longest]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=45 if len(ticks) > 11 else 0)
    axes.minorticks_off()
    axes.set_xlim(max(shortest, 1), longest + 1)
    for length in lengths:
        if shortest < length < longest:
            axes.axvline(length, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_title(f"Length of {what} (median {median:,} tokens)", fontsize=11)
    axes.set_xlabel("tokens")
    axes.set_ylabel(f"% of {what}, a bar")
    axes.legend(frameon=False)
    _plain(axes)


def _padding(axes: Any, inspection: CorpusInspection, lengths: list[int]) -> None:
    layouts = [name for name in LAYOUTS if any(shape.layout == name for shape in inspection.shapes)]
    width = 0.8 / len(layouts)
    for number, layout in enumerate(layouts):
        shapes = {shape.length: shape for shape in inspection.shapes if shape.layout == layout}
        places = [lengths.index(length) + (number - (len(layouts) - 1) / 2) * width for length in shapes]
        shares = [100 * shape.padding for shape in shapes.values()]
        bars = axes.bar(places, shares, width * 0.92, label=LAYOUTS[layout], color=_LAYOUT_COLOURS[layout], alpha=0.85)
        axes.bar_label(bars, [f"{share:.1f}" for share in shares], fontsize=8, padding=2)
    axes.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
    axes.set_title("Padding of training rows", fontsize=11)
    axes.set_xlabel("tokens a row")
    axes.set_ylabel("% of tokens")
    axes.margins(y=0.15)
    axes.legend(frameon=False)
    _plain(axes)


def _scripts(axes: Any, inspection: CorpusInspection) -> None:
    counts = sum(split.token_counts for split in inspection.splits.values())
    shares = list(script_shares(inspection.tokenizer.vocabulary, np.asarray(counts)).items())
    if len(shares) > _SCRIPTS:
        shares = [*shares[: _SCRIPTS - 1], ("all others", sum(share for _, share in shares[_SCRIPTS - 1 :]))]
    names, values = [name for name, _ in shares], [100 * share for _, share in shares]
    bars = axes.barh(names, values, color=_COLOURS["training"], alpha=0.75)
    axes.bar_label(bars, [f"{value:.2f}" if value >= 0.005 else "<0.01" for value in values], fontsize=8, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_title("Scripts", fontsize=11)
    axes.set_xlabel("% of tokens")
    _plain(axes)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
