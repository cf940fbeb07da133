"""How long a run that begins at any step of a large corpus waits for its first batch."""

import dataclasses
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from keras_mlm import command_line

WAYS: dict[str, dict[str, Any]] = {
    "sentence pairs": {},
    "packed": {"next_sentence": False, "packed": True},
    "four length buckets": {"length_buckets": 4},
}
# Where the run begins, in epochs.
PLACES = (0.0, 0.25, 0.99, 12.5)


def jump(*, data: str, gigabytes: float = 10.0, length: int = 128, batch_size: int = 64) -> None:
    """Print the seconds from nothing to a corpus that is opened, and from there to the first batch at several steps.

    The corpus is as many copies of a prepared one as have so many bytes, each shard a link: for what is timed, shards
    of the same content are as good as others.

    Args:
        data: Folder that prepare_corpus wrote.
        gigabytes: Size of the records.
        length: Tokens a row.
        batch_size: Rows a batch.
    """
    from keras_mlm.data.pretraining_dataset import PretrainingDataset
    from keras_mlm.text_table import text_table

    with tempfile.TemporaryDirectory(dir=Path(data).parent) as folder:
        shards = write_copies(data, folder, gigabytes)
        lines = []
        for name, options in WAYS.items():
            begun = time.perf_counter()
            dataset = PretrainingDataset(folder, length=length, batch_size=batch_size, **options)
            lines.append([name, f"{dataset.rows:,}", round(time.perf_counter() - begun, 1)])
            for place in PLACES:
                begun = time.perf_counter()
                next(iter(dataset.batches(int(place * dataset.rows / batch_size))))
                lines[-1].append(round(time.perf_counter() - begun, 1))
    print(f"{gigabytes:g} GB in {shards:,} shards, {batch_size} x {length}; seconds")
    places = (f"batch after {place:g} epochs" for place in PLACES)
    print(text_table(["rows", "an epoch", "opened", *places], lines))


def write_copies(data: str, folder: str, gigabytes: float) -> int:
    """Write a corpus of copies into a folder on the same disk, and return how many shards it trains on."""
    from keras_mlm.data.manifest import VOCABULARY_FILE, Manifest

    manifest = Manifest.load(data)
    training = manifest.splits["training"]
    copies = max(1, round(gigabytes * 1e9 / sum(shard.bytes for shard in training.shards)))
    shards = [
        (dataclasses.replace(shard, file=f"copy-{copy:05}-{shard.file}"), shard.file)
        for copy in range(copies)
        for shard in training.shards
    ]
    as_they_are = [VOCABULARY_FILE, *(shard.file for shard in manifest.splits["validation"].shards)]
    for there, here in [*((shard.file, file) for shard, file in shards), *zip(as_they_are, as_they_are, strict=True)]:
        os.link(Path(data, here), Path(folder, there))
    counts = {name: copies * getattr(training, name) for name in ("documents", "sentences", "tokens")}
    many = dataclasses.replace(training, **counts, shards=[shard for shard, _ in shards])
    dataclasses.replace(manifest, splits={**manifest.splits, "training": many}).save(folder)
    return len(shards)


if __name__ == "__main__":
    command_line.run(jump)
