"""How fast a prepared corpus becomes masked batches, one way to mask beside the others: one thread each."""

import statistics
from typing import Any

import side_by_side

from keras_mlm import command_line


def records_to_batches(
    *,
    data: str,
    json: str | None = None,
    length: int = 128,
    batch_size: int = 64,
    batches: int = 2000,
    rounds: int = 5,
) -> None:
    """Compare the ways to cut, pair, pack and mask rows of a corpus, as pretrain.py reads them.

    Rounds alternate; the ratio is to whole words in sentence pairs, the median over rounds. Tokens are those of the
    rows, special ones included, padding not. Of whole words in pairs a second table has the nanoseconds a token until
    each stage is done.

    Args:
        data: Folder that prepare_corpus wrote; with parts of speech, content words weigh more in one more row.
        json: File to write the rows to.
        length: Tokens a row.
        batch_size: Rows a batch.
        batches: Batches a round; beginning one takes a second, which few would be measured by.
        rounds: How often each side runs.
    """
    side_by_side.one_thread()
    from keras_mlm.data.manifest import Manifest
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.data.token_weights import TokenWeights

    manifest = Manifest.load(data)
    weights = TokenWeights(manifest.vocabulary_size)
    weights.block_steps = batches  # there is no model to renew them
    sides: dict[str, dict[str, Any]] = {
        "whole words": {"masking": "whole_word"},
        "tokens": {"masking": "token"},
        "spans": {"masking": "span"},
        "adaptive": {"masking": "whole_word", "token_weights": weights},
        "packed": {"masking": "whole_word", "next_sentence": False, "packed": True},
    }
    if manifest.pos_tags:
        sides["content words"] = {"masking": "whole_word", "content_word_weight": 2.0}
    datasets = {
        name: PretrainingDataset(data, length=length, batch_size=batch_size, **options)
        for name, options in sides.items()
    }
    passes = {name: side_by_side.whole_pass(dataset.batches().take(batches)) for name, dataset in datasets.items()}
    per_batch = {name: dataset.tokens_a_row * batch_size for name, dataset in datasets.items()}
    seconds = side_by_side.alternate(passes, rounds)
    # Rows of one text, of two and of many hold different numbers of tokens.
    most = max(per_batch.values())
    side_by_side.publish(
        {name: [taken * most / per_batch[name] for taken in times] for name, times in seconds.items()},
        shape=f"{data}, {batches} batches of {batch_size} x {length}",
        tokens=round(batches * most),
        json_file=json,
    )
    singles = PretrainingDataset(data, length=length, batch_size=batch_size, masking="whole_word", next_sentence=False)
    print_stages(singles, datasets["whole words"], batches, rounds)


def print_stages(singles: Any, pairs: Any, batches: int, rounds: int) -> None:
    """Print where the time of sentence pairs goes; each stage does what those before it do."""
    from keras_mlm.data.pretraining_dataset import CHUNK_ROWS
    from keras_mlm.text_table import text_table

    rows, size = batches * pairs.batch_size, pairs.batch_size
    chunks = -(-rows // CHUNK_ROWS)
    stages = {
        "read, cut, packed": (singles, singles.row_chunks(0, size).take(chunks)),
        "paired": (pairs, pairs.row_chunks(0, size).take(chunks)),
        "masked": (pairs, pairs.row_chunks(0, size, masked=True).take(chunks)),
        "in batches": (pairs, pairs.batches().take(batches)),
    }
    passes = {name: side_by_side.whole_pass(dataset) for name, (_, dataset) in stages.items()}
    lines, before = [], 0.0
    for name, seconds in side_by_side.alternate(passes, rounds).items():
        nanoseconds = 1e9 * statistics.median(seconds) / (rows * stages[name][0].tokens_a_row)
        lines.append([name, round(nanoseconds), round(nanoseconds - before)])
        before = nanoseconds
    print(text_table(["whole words in pairs", "ns a token", "of them here"], lines))


if __name__ == "__main__":
    command_line.run(records_to_batches)
