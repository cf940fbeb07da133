"""The figures of a corpus as lines to read."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_mlm.inspection.corpus_inspection import CorpusInspection
from keras_mlm.inspection.left_out_text import left_out_text
from keras_mlm.inspection.length_counts import LengthCounts
from keras_mlm.inspection.scripts import script_shares
from keras_mlm.inspection.unknown_words import UnknownWords
from keras_mlm.text_table import display_width, text_table

_PERCENTS = (1, 25, 50, 75, 95, 99)
LAYOUTS = {"pairs": "sentence pairs", "single": "one text each", "packed": "packed texts"}
# Neighbours of [UNK] that are named, and scripts with less than this share together.
_NEIGHBOURS = 8
_SMALL_SHARE = 0.0005


def inspection_text(inspection: CorpusInspection, unknown: UnknownWords | None = None, *, columns: int = 100) -> str:
    """Return the figures of a corpus as text.

    Args:
        inspection: `CorpusInspection`.
        unknown: `UnknownWords` of the original text, or `None` where it is not at hand. Defaults to `None`.
        columns: int, the width of the lines that hold text. Defaults to `100`.

    Returns:
        A str without a newline at its end.

    Example:
        ```python
        print(inspection_text(CorpusInspection.read("data/news")))
        ```
    """
    sections = {
        "": _totals(inspection),
        **_left_out(inspection),
        "Length in tokens": _lengths(inspection),
        "Scripts, share of tokens": _scripts(inspection),
        "Unknown words": _unknown(inspection, unknown, columns),
        "Exact copies": _copies(inspection, columns),
        "Training rows": _rows(inspection),
    }
    return "\n\n".join(f"{title}\n\n{body}" if title else body for title, body in sections.items())


def _totals(inspection: CorpusInspection) -> str:
    size = inspection.tokenizer.vocabulary_size
    rows = {
        "documents": lambda split: f"{split.documents:,}",
        "sentences": lambda split: f"{split.sentences:,}",
        "words": lambda split: f"{split.words:,}",
        "tokens": lambda split: f"{split.tokens:,}",
        "tokens a word": lambda split: f"{split.tokens / max(1, split.words):.2f}",
        "[UNK] among tokens": lambda split: f"{split.unknown:,}",
        "[UNK] rate": lambda split: _percent(split.unknown, split.tokens),
        f"of {size:,} vocabulary tokens never used": lambda split: f"{size - np.count_nonzero(split.token_counts):,}",
    }
    names = list(inspection.splits)
    return _figures(
        [inspection.folder, *names], [[row, *map(show, inspection.splits.values())] for row, show in rows.items()]
    )


def _left_out(inspection: CorpusInspection) -> dict[str, str]:
    lines = left_out_text(inspection.manifest.counts, inspection.manifest.samples)
    return {"Left out or changed in preparation": "\n".join(lines)} if lines else {}


def _lengths(inspection: CorpusInspection) -> str:
    rows = []
    for name, split in inspection.splits.items():
        for what, counts in (("documents", split.document_lengths), ("sentences", split.sentence_lengths)):
            rows.append([f"{name} {what}", f"{counts.mean:,.1f}", *_percentiles(counts)])
    return _figures(["", "mean", *(f"{p} %" if p != 50 else "median" for p in _PERCENTS), "longest"], rows)


def _percentiles(counts: LengthCounts) -> list[str]:
    return [f"{counts.percentile(percent):,}" for percent in (*_PERCENTS, 100)]


def _scripts(inspection: CorpusInspection) -> str:
    shares = [
        script_shares(inspection.tokenizer.vocabulary, split.token_counts) for split in inspection.splits.values()
    ]
    everywhere = {script: max(share.get(script, 0.0) for share in shares) for share in shares for script in share}
    small = [script for script, share in everywhere.items() if share < _SMALL_SHARE and script != "[UNK]"]
    rows = [
        [script, *(_percent(share.get(script, 0.0)) for share in shares)]
        for script in sorted(everywhere, key=lambda script: -everywhere[script])
        if script not in small
    ]
    if small:
        named = ", ".join(small[:4]) + (" …" if len(small) > 4 else "")
        rows.append([named, *(_percent(sum(share.get(script, 0.0) for script in small)) for share in shares)])
    return _figures(["", *inspection.splits], rows)


def _unknown(inspection: CorpusInspection, unknown: UnknownWords | None, columns: int) -> str:
    if unknown is not None:
        least = "" if unknown.exact else "; there are very many, so that these counts are at least so high"
        head = f"{unknown.unknown:,} of the {unknown.words:,} words of the text have an [UNK]{least}."
        names = [f"{count:,} × {word}" for word, count in unknown.most_frequent]
        return "\n".join([head, *_filled(names, columns)] if names else [head])
    places = [split.unknown_places for split in inspection.splits.values()]
    if not any(split.unknown for split in inspection.splits.values()):
        return "None."
    vocabulary = inspection.tokenizer.vocabulary
    lines = ["The records do not hold the words themselves (--text FILE names them), but what stands around them."]
    neighbours = {"before": [place.before for place in places], "behind": [place.after for place in places]}
    for title, parts in neighbours.items():
        counts = np.sum(parts, axis=0)
        often = np.argsort(-counts, kind="stable")[:_NEIGHBOURS]
        names = [f"{counts[token_id]:,} × {vocabulary[token_id]}" for token_id in often if counts[token_id]]
        lines += _filled(names, columns, f"{title}:   ")
    lines += ["for example:"]
    for place in places:
        for context in place.contexts:
            lines.append("  " + _cut(_readable(inspection, context), columns - 2))
    return "\n".join(lines)


def _copies(inspection: CorpusInspection, columns: int) -> str:
    kinds = {"documents": inspection.documents, "sentences": inspection.sentences}
    validation = inspection.splits["validation"]
    tokens = sum(split.tokens for split in inspection.splits.values())
    rows = {
        "in the corpus": [f"{repeats.runs:,}" for repeats in kinds.values()],
        "repeat an earlier one": [f"{repeats.copies:,}" for repeats in kinds.values()],
        "their share": [_percent(repeats.copies, repeats.runs) for repeats in kinds.values()],
        "their share of the tokens": [_percent(repeats.copied_tokens, tokens) for repeats in kinds.values()],
        "for validation": [f"{validation.documents:,}", f"{validation.sentences:,}"],
        "of these also in training": [f"{repeats.shared:,}" for repeats in kinds.values()],
    }
    lines = [_figures(["", *kinds], [[name, *cells] for name, cells in rows.items()])]
    for name, repeats in kinds.items():
        width = max((len(f"{run.times:,}") for run in repeats.most_frequent), default=0)
        lines += [f"\nThe most frequent {name}:"] if repeats.most_frequent else []
        for run in repeats.most_frequent:
            lines.append(f"  {run.times:>{width},} × " + _cut(inspection.text_of(run), columns - width - 5))
    counts = inspection.manifest.counts
    if "duplicate_documents" in counts:
        lines.append(
            f"\nPreparation had left out {counts['duplicate_documents']:,} duplicates of the "
            f"{counts.get('documents_read', 0):,} documents it read."
        )
    return "\n".join(lines)


def _rows(inspection: CorpusInspection) -> str:
    rows = [
        [f"{shape.length}", LAYOUTS[shape.layout], f"{shape.rows:,}", _percent(shape.padding)]
        for shape in inspection.shapes
    ]
    notes = [
        f"The padding of pairs of {shape.length} tokens is that of the first {shape.measured:,} rows."
        for shape in inspection.shapes
        if shape.measured < shape.rows
    ]
    if not any(shape.layout == "pairs" for shape in inspection.shapes):
        notes.append("No sentence pairs: they need two documents, and one of two sentences.")
    return "\n".join([_figures(["length", "a row holds", "rows an epoch", "padding"], rows), *notes])


def _readable(inspection: CorpusInspection, token_ids: Sequence[int]) -> str:
    return inspection.tokenizer.detokenize(tf.constant(token_ids, tf.int32)).numpy().decode()


def _percent(part: float, whole: float = 1.0) -> str:
    share = 100 * part / whole if whole else 0.0
    # Rare is not never: as many digits as it takes to tell.
    return f"{share:.2f} %" if share >= 0.1 or not share else f"{max(share, 0.0001):.1g} %"


def _cut(text: str, columns: int) -> str:
    """Return as much of a text as a line holds."""
    text = " ".join(text.split())
    if display_width(text) <= columns:
        return text
    while display_width(text) > columns - 2:
        text = text[: max(1, len(text) - max(1, (display_width(text) - columns) // 2))]
    return text + " …"


def _filled(names: Sequence[str], columns: int, title: str = "") -> list[str]:
    """Return names as lines, with wide gaps between them: a name may be a comma."""
    lines = ["  " + title]
    for name in names:
        if display_width(lines[-1]) + display_width(name) > columns:
            lines.append("  ")
        lines[-1] += name + "   "
    return [line.rstrip() for line in lines]


def _figures(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns but those of words are aligned to the right."""
    columns = list(zip(header, *rows, strict=True))
    texts = {place for place, column in enumerate(columns) if place == 0 or column[0] == "a row holds"}
    aligned = [
        column if place in texts else tuple(cell.rjust(max(map(len, column))) for cell in column)
        for place, column in enumerate(columns)
    ]
    head, *body = zip(*aligned, strict=True)
    return text_table(head, body)
