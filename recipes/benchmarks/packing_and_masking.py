"""How fast token ids become packed, masked batches, beside keras_hub's layers: one thread each, same ids."""

import json
import statistics
import time
from typing import Any

from keras_mlm import command_line

CLS, SEP, MASK = 2, 3, 4


def packing_and_masking(
    *,
    json: str | None = None,
    length: int = 128,
    batch_size: int = 64,
    batches: int = 400,
    vocabulary_size: int = 30522,
    rounds: int = 7,
) -> None:
    """Compare SegmentPacker and MaskedLMMaskGenerator with keras_hub's MultiSegmentPacker and MaskedLMMaskGenerator.

    Both map the same batches of sentence pairs (ragged ids, random, two segments that together about fill a row) in a
    tf.data pipeline. Rounds alternate; the ratio is the median over rounds.

    Args:
        json: File to write the rows to.
        length: Tokens a row.
        batch_size: Rows a batch.
        batches: Batches a round.
        vocabulary_size: Tokens of the vocabulary.
        rounds: How often each side runs.
    """
    import keras_hub
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
    from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker

    rng = np.random.default_rng(0)
    rows = batch_size * batches
    segments = tuple(
        tf.RaggedTensor.from_row_lengths(rng.integers(5, vocabulary_size, lengths.sum()).astype("int32"), lengths)
        for lengths in (rng.integers(length // 4, length * 3 // 4, rows) for _ in range(2))
    )
    tokens = int(sum(np.minimum(sum(part.row_lengths().numpy() for part in segments), length - 3) + 3))
    slots = -(-length * 15 // 100)
    masking: dict[str, Any] = {
        "vocabulary_size": vocabulary_size, "mask_selection_rate": 0.15, "mask_token_id": MASK,
        "mask_selection_length": slots, "unselectable_token_ids": [0, 1, CLS, SEP, MASK],
    }  # fmt: skip
    pack, mask = SegmentPacker(length, CLS, SEP), MaskedLMMaskGenerator(**masking)
    words = MaskedLMMaskGenerator(**masking, strategy="whole_word")
    hub_pack = keras_hub.layers.MultiSegmentPacker(length, start_value=CLS, end_value=SEP, pad_value=0)
    hub_mask = keras_hub.layers.MaskedLMMaskGenerator(**masking)

    def ours(index: Any, first: Any, second: Any) -> dict[str, Any]:
        return mask({**pack((first, second)), "example_index": index})

    def ours_whole_words(index: Any, first: Any, second: Any) -> dict[str, Any]:
        starts = tuple(part.with_values(part.values % 4 > 0) for part in (first, second))
        return words({**pack((first, second), word_starts=starts), "example_index": index})

    def hub(index: Any, first: Any, second: Any) -> dict[str, Any]:
        token_ids, segment_ids = hub_pack((first, second))
        return {**hub_mask(token_ids), "segment_ids": segment_ids}

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    inputs = tf.data.Dataset.from_tensor_slices((tf.range(rows), *segments)).batch(batch_size).cache()
    sides = {
        name: inputs.map(side).with_options(options)
        for name, side in (("keras_hub", hub), ("keras_mlm token", ours), ("keras_mlm whole_word", ours_whole_words))
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            # All batches in one operation: handing each to Python would cost both sides the same and hide the ratio.
            side.reduce(np.int64(0), lambda count, batch: count + 1)
            # The first round fills the cache.
            if turn:
                seconds[name].append(time.perf_counter() - start)
    report: list[dict[str, Any]] = []
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["keras_hub"], times, strict=True))
        report.append(
            {
                "name": name,
                "shape": f"batch {batch_size} x {length}, {slots} masks, vocabulary {vocabulary_size}",
                "parameters": 0,
                "dropout": 0.0,
                "tokens_per_second": round(tokens / statistics.median(times)),
                "rows_per_second": round(rows / statistics.median(times)),
                "times_keras_hub": round(ratio, 2),
            }
        )
        line = "{name:24} {rows_per_second:>10,} rows/s {tokens_per_second:>12,} tokens/s {times_keras_hub:6.2f} x"
        print(line.format(**report[-1]))
    if json:
        _save(report, json)


def _save(rows: list[dict[str, Any]], path: str) -> None:
    with open(path, "w") as file:
        json.dump(rows, file, indent=2)


if __name__ == "__main__":
    command_line.run(packing_and_masking)
