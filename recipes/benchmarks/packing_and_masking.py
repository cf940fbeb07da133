"""How fast token ids become packed, masked batches, beside keras_hub's layers: one thread each, same ids."""

from typing import Any

import side_by_side

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
    side_by_side.one_thread()
    import keras_hub
    import numpy as np
    import tensorflow as tf

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
    words, spans = (MaskedLMMaskGenerator(**masking, strategy=strategy) for strategy in ("whole_word", "span"))
    hub_pack = keras_hub.layers.MultiSegmentPacker(length, start_value=CLS, end_value=SEP, pad_value=0)
    hub_mask = keras_hub.layers.MaskedLMMaskGenerator(**masking)

    def ours(index: Any, first: Any, second: Any) -> dict[str, Any]:
        return mask({**pack((first, second)), "example_index": index})

    def of_words(layer: Any) -> Any:
        def side(index: Any, first: Any, second: Any) -> dict[str, Any]:
            starts = tuple(part.with_values(part.values % 4 > 0) for part in (first, second))
            return layer({**pack((first, second), word_starts=starts), "example_index": index})

        return side

    def hub(index: Any, first: Any, second: Any) -> dict[str, Any]:
        token_ids, segment_ids = hub_pack((first, second))
        return {**hub_mask(token_ids), "segment_ids": segment_ids}

    inputs = tf.data.Dataset.from_tensor_slices((tf.range(rows), *segments)).batch(batch_size).cache()
    sides = {
        "keras_hub": hub,
        "keras_mlm token": ours,
        "keras_mlm whole_word": of_words(words),
        "keras_mlm span": of_words(spans),
    }
    passes = {name: side_by_side.whole_pass(inputs.map(side)) for name, side in sides.items()}
    side_by_side.publish(
        side_by_side.alternate(passes, rounds),
        shape=f"batch {batch_size} x {length}, {slots} masks, vocabulary {vocabulary_size}",
        tokens=tokens,
        json_file=json,
    )


if __name__ == "__main__":
    command_line.run(packing_and_masking)
