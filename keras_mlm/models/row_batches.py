"""Encoded rows as padded batches to predict with: rows of about one length together, so that little is padding."""

from collections.abc import Iterator, Sequence

import numpy as np

# Positions computed at a time.
_POSITIONS_A_BATCH = 8192


def padded(rows: Sequence[dict[str, np.ndarray]], pad_token_id: int) -> dict[str, np.ndarray]:
    """Return encoded rows as one batch, filled up to the longest.

    Args:
        rows: sequence of dicts with `token_ids` and `segment_ids`, int32 `(tokens,)`.
        pad_token_id: int, what `token_ids` are filled up with.

    Returns:
        Dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool, each `(batch, longest)`.
    """
    lengths = np.array([len(row["token_ids"]) for row in rows])
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    batch = {"token_ids": np.full(mask.shape, pad_token_id, "int32"), "segment_ids": np.zeros(mask.shape, "int32")}
    for name, values in batch.items():
        values[mask] = np.concatenate([row[name] for row in rows])
    return {**batch, "padding_mask": mask}


def row_batches(
    rows: Sequence[dict[str, np.ndarray]], pad_token_id: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Give (indices of rows, padded batch) until all rows were there, the shortest first; arguments as `padded`."""
    lengths = np.array([len(row["token_ids"]) for row in rows], int)
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        # As many rows as fit when each is as long as the longest of them.
        area = lengths[order[start:]] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(area, _POSITIONS_A_BATCH, side="right")))
        indices = order[start:stop]
        yield indices, padded([rows[index] for index in indices], pad_token_id)
        start = stop
