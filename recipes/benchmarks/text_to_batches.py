"""How fast text becomes masked batches, beside keras_hub's BertMaskedLMPreprocessor: one thread each."""

import itertools
import json
import statistics
import time
from typing import Any

from keras_mlm import command_line


def text_to_batches(
    *,
    json: str | None = None,
    text: list[str] | None = None,
    vocabulary_size: int = 8000,
    length: int = 128,
    batch_size: int = 64,
    batches: int = 300,
    rounds: int = 5,
) -> None:
    """Compare tokenizer, packer and mask generator with keras_hub's BertMaskedLMPreprocessor on batches of strings.

    Both map the same batches of documents, one a row, in a tf.data pipeline, with one vocabulary trained on them.
    Rounds alternate; the ratio is the median over rounds. Tokens are counted as they stand in our rows.

    Args:
        json: File to write the rows to.
        text: Files and folders of text; by default the docstrings of the installed Python.
        vocabulary_size: Tokens of the vocabulary.
        length: Tokens a row.
        batch_size: Rows a batch.
        batches: Batches a round.
        rounds: How often each side runs.
    """
    import keras_hub
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from keras_mlm.data.docstrings import read_docstrings
    from keras_mlm.data.documents import read_documents
    from keras_mlm.errors import InputError
    from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
    from keras_mlm.layers.preprocessing.segment_packer import SegmentPacker
    from keras_mlm.tokenizers.train_vocabulary import train_vocabulary
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    rows = batch_size * batches
    source = read_documents(text) if text else read_docstrings()
    # About what fills a row; what both sides would cut off again is left out.
    texts = [document.text[: 5 * length] for document in itertools.islice(source, rows)]
    if len(texts) < rows:
        raise InputError(f"the text has {len(texts)} documents, too few for {rows} rows: pass a smaller --batches")
    vocabulary = train_vocabulary(texts, vocabulary_size, exact=False).vocabulary
    slots = -(-length * 15 // 100)

    tokenizer = WordPieceTokenizer(vocabulary)
    pack = SegmentPacker(length, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    mask = MaskedLMMaskGenerator(
        len(vocabulary), 0.15, tokenizer.mask_token_id, slots, unselectable_token_ids=tokenizer.special_token_ids
    )
    hub = keras_hub.models.BertMaskedLMPreprocessor(
        keras_hub.models.BertTokenizer(vocabulary, lowercase=True),
        sequence_length=length, mask_selection_rate=0.15, mask_selection_length=slots,
    )  # fmt: skip

    def ours(index: Any, strings: Any) -> dict[str, Any]:
        packed = pack(tokenizer.tokenize(strings))
        return {**packed, **mask({**packed, "example_index": index})}

    def theirs(index: Any, strings: Any) -> Any:
        return hub(strings)

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    inputs = tf.data.Dataset.from_tensor_slices((tf.range(rows), texts)).batch(batch_size).cache()
    tokens = sum(int(tf.reduce_sum(tf.cast(batch["padding_mask"], tf.int32))) for batch in inputs.map(ours))
    sides = {
        "keras_hub": inputs.map(theirs).with_options(options),
        "keras_mlm": inputs.map(ours).with_options(options),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            start = time.perf_counter()
            # All batches in one operation: handing each to Python would cost both sides the same and hide the ratio.
            side.reduce(np.int64(0), lambda count, batch: count + 1)
            # The first round warms up.
            if turn:
                seconds[name].append(time.perf_counter() - start)
    size = sum(len(string.encode()) for string in texts) / 1e6
    report: list[dict[str, Any]] = []
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["keras_hub"], times, strict=True))
        report.append(
            {
                "name": name,
                "shape": f"batch {batch_size} x {length}, {slots} masks, vocabulary {len(vocabulary)}",
                "parameters": 0,
                "dropout": 0.0,
                "tokens_per_second": round(tokens / statistics.median(times)),
                "megabytes_per_second": round(size / statistics.median(times), 2),
                "times_keras_hub": round(ratio, 2),
            }
        )
        line = "{name:12} {megabytes_per_second:7.2f} MB/s {tokens_per_second:>12,} tokens/s {times_keras_hub:6.2f} x"
        print(line.format(**report[-1]))
    if json:
        _save(report, json)


def _save(rows: list[dict[str, Any]], path: str) -> None:
    with open(path, "w") as file:
        json.dump(rows, file, indent=2)


if __name__ == "__main__":
    command_line.run(text_to_batches)
