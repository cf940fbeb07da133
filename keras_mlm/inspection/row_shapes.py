"""How many rows an epoch has at some lengths, and how much of them is padding."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from keras_mlm.data.manifest import Manifest
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.progress import progress_bar
from keras_mlm.data.row_packing import SPECIAL
from keras_mlm.data.row_plan import RowPlan

# The padding of sentence pairs depends on what is drawn, so rows are made and counted: at most so many tokens of them.
_MEASURED_TOKENS = 20_000_000
_BATCH = 512


class RowShape(NamedTuple):
    """The training rows of one length and one layout.

    Args:
        length: int, tokens a row.
        layout: `"pairs"` (A and B of sentence pairs), `"single"` (one text a row) or `"packed"` (several).
        rows: int, rows an epoch.
        padding: float, the share of padding among their tokens.
        measured: int, in how many rows of the first epoch padding was counted; `rows` where it is exact.
    """

    length: int
    layout: Literal["pairs", "single", "packed"]
    rows: int
    padding: float
    measured: int


def row_shapes(folder: str, manifest: Manifest, lengths: Sequence[int], *, seed: int = 0) -> list[RowShape]:
    """Return the shapes of a corpus' training rows, as training plans and makes them.

    Args:
        folder: str, the prepared corpus.
        manifest: `Manifest` of it.
        lengths: sequence of int, tokens a row.
        seed: int, of the pairs. Defaults to `0`.

    Returns:
        List of `RowShape`; no pairs where the corpus has none.

    Raises:
        InputError: a shard is damaged; the message names it.

    Example:
        ```python
        row_shapes("data/news", Manifest.load("data/news"), [128])[0].padding
        ```
    """
    split = manifest.splits["training"]
    shapes = []
    for length in lengths:
        if split.has_pairs:
            shapes.append(_pairs(folder, length, seed))
        for packed in (False, True):
            plan = RowPlan.make(split, length - SPECIAL, None, packed=packed)
            padding = 1 - plan.tokens_a_row / length
            shapes.append(RowShape(length, "packed" if packed else "single", plan.epoch_rows, padding, plan.epoch_rows))
    return shapes


def _pairs(folder: str, length: int, seed: int) -> RowShape:
    data = PretrainingDataset(folder, length=length, batch_size=_BATCH, seed=seed)
    wanted = min(data.rows, max(1, _MEASURED_TOKENS // length))
    used = seen = 0
    with progress_bar(f"Pairs of {length} tokens", wanted, "rows") as bar:
        for batch in data.keyed_batches().map(lambda batch: batch["padding_mask"]).as_numpy_iterator():
            rows = batch[: wanted - seen]
            used += int(np.count_nonzero(rows))
            seen += len(rows)
            bar.update(len(rows))
            if seen == wanted:
                break
    return RowShape(length, "pairs", data.rows, 1 - used / (wanted * length), wanted)
