"""A gigabyte of text to a corpus: the rate, the memory of all processes, and two peers on a part of the same text."""

import json as json_format
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_pretraining_data
import side_by_side
from campaign import keep_rows

from keras_mlm import command_line

RESULTS = Path(__file__).parent / "results" / "prepare_gigabyte.json"
SECONDS_BETWEEN_SAMPLES = 0.2


def prepare_gigabyte(
    *,
    text: list[str],
    megabytes: int = 1000,
    peer_megabytes: int = 20,
    vocabulary_size: int = 8000,
    workers: int | None = None,
    folder: str | None = None,
    json: str = str(RESULTS),
) -> None:
    """Prepare text that is repeated and perturbed until it is large; then give a part of it to two peers.

    The peers are Google's algorithm, WordPiece in Python and one process, and `datasets.map` with Hugging Face's
    tokenizers and two processes. Both are given the vocabulary and start with everything loaded; training it and
    loading are in our time. Our rate on their part is told too.

    Args:
        text: Files and folders of text.
        megabytes: How much text is made of it.
        peer_megabytes: How much of that the peers get; 0 leaves them out.
        vocabulary_size: Tokens of the vocabulary.
        workers: How many processes tokenize; by default prepare_corpus.py's choice.
        folder: Where the text and the corpus lie while it lasts; by default the system's temporary folder.
        json: File to write the rows to.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        made = write_text(text, Path(place, "text"), megabytes * 1_000_000)
        options = ["--vocabulary-size", str(vocabulary_size), *(["--workers", str(workers)] if workers else [])]
        rows = [measured("keras_mlm", [made], Path(place, "corpus"), options)]
        if peer_megabytes:
            part = write_text(text, Path(place, "part"), peer_megabytes * 1_000_000)
            rows.append(measured("keras_mlm, the peers' part", [part], Path(place, "part-corpus"), options))
            rows += peers(part, str(Path(place, "part-corpus", "vocab.txt")), place)
    for row in rows:
        memory = f"{row['peak_pss_megabytes']:>7,} MB at most" if "peak_pss_megabytes" in row else ""
        print(f"{row['name']:34}{row['megabytes']:8.1f} MB {row['megabytes_per_second']:8.2f} MB/s {memory}")
    keep_rows(rows, json)


def write_text(text: list[str], folder: Path, size: int) -> str:
    """Write files of about 100 MB with the documents of a text, again and again, each copy perturbed."""
    from keras_mlm.data.documents import read_documents

    folder.mkdir()
    written = 0
    for number in range(sys.maxsize):
        with open(folder / f"{number:03d}.txt", "w", encoding="utf-8") as file:
            generator = random.Random(number)
            for document in read_documents(text):
                lines = list(perturbed(document.lines, generator)) if number else document.lines
                data = "\n".join(lines) + "\n\n"
                file.write(data)
                written += len(data.encode())
                if written >= size:
                    return str(folder)


def perturbed(lines: list[str], generator: random.Random) -> Iterator[str]:
    """Yield lines in which one character or word in ten stands where its neighbour did: no line is what it was."""
    for line in lines:
        pieces = line.split(" ") if line.count(" ") * 20 > len(line) else list(line)
        for place in range(0, len(pieces) - 1, 10):
            at = min(place + generator.randrange(10), len(pieces) - 2)
            pieces[at], pieces[at + 1] = pieces[at + 1], pieces[at]
        yield (" " if len(" ".join(pieces)) == len(line) else "").join(pieces)


def measured(name: str, text: list[str], output: Path, options: list[str]) -> dict[str, Any]:
    """Run the recipe; return its row, with the most memory that its processes had together at any time."""
    import psutil

    recipe = Path(__file__).parent.parent / "prepare_corpus.py"
    size = sum(path.stat().st_size for folder in text for path in Path(folder).iterdir()) / 1e6
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(recipe), "--text", *text, "--output", str(output), *options])
    pss = rss = processes = 0
    while process.poll() is None:
        of_all = []
        for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                of_all.append(one.memory_full_info())
            except psutil.Error:  # it ended in the meantime
                continue
        # Pages that processes share count once: that is what the machine must have.
        pss = max(pss, sum(info.pss for info in of_all))
        rss = max(rss, sum(info.rss for info in of_all))
        processes = max(processes, len(of_all))
        time.sleep(SECONDS_BETWEEN_SAMPLES)
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(process.returncode)
    manifest = json_format.loads((output / "manifest.json").read_text())
    return {
        "name": name,
        "megabytes": round(size, 1),
        "seconds": round(seconds, 1),
        "megabytes_per_second": round(size / seconds, 2),
        "processes": processes,
        "peak_pss_megabytes": round(pss / 1e6),
        "peak_rss_megabytes": round(rss / 1e6),
        "tokens": sum(split["tokens"] for split in manifest["splits"].values()),
    }


def peers(folder: str, vocabulary: str, place: str) -> list[dict[str, Any]]:
    """Return the rows of the peers on the files of a folder."""
    files = sorted(map(str, Path(folder).iterdir()))
    size = sum(Path(file).stat().st_size for file in files) / 1e6
    sides = {
        "Google's algorithm, one process": (google_pretraining_data.side, files, vocabulary, f"{place}/google"),
        "datasets.map, two processes": (datasets_side, files, vocabulary, f"{place}/datasets"),
    }
    rows = []
    for name, side in sides.items():
        with side_by_side.in_a_process(*side) as once:
            answer, seconds = once()
        if answer is None:
            print(f"{name}: left out, datasets is not installed: pip install 'keras-mlm[benchmarks]'")
            continue
        rows.append(
            {
                "name": name,
                "megabytes": round(size, 1),
                "seconds": round(seconds, 1),
                "megabytes_per_second": round(size / seconds, 2),
                "rows": answer,
            }
        )
    return rows


def datasets_side(files: list[str], vocabulary: str, output: str) -> Any:
    """Return a function that tokenizes files line by line into a folder of datasets, and returns their number."""
    try:
        import datasets
    except ImportError:
        return lambda: None

    def once() -> int:
        datasets.disable_progress_bars()
        lines = datasets.load_dataset("text", data_files=files, split="train", cache_dir=f"{output}-cache")
        tokenized = lines.map(
            Encode(vocabulary), batched=True, num_proc=2, remove_columns=["text"], load_from_cache_file=False
        )
        tokenized.save_to_disk(output)
        return len(tokenized)

    return once


class Encode:
    """What `datasets.map` calls with a batch of lines; each process makes the tokenizer once."""

    def __init__(self, vocabulary: str) -> None:
        self.vocabulary = vocabulary
        self.tokenizer: Any = None

    def __call__(self, batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        """Return the ids of a batch's lines."""
        if self.tokenizer is None:
            self.tokenizer = side_by_side.hugging_face(Path(self.vocabulary).read_text().splitlines())
        encodings = self.tokenizer.encode_batch(batch["text"], add_special_tokens=False)
        return {"token_ids": [encoding.ids for encoding in encodings]}


if __name__ == "__main__":
    command_line.run(prepare_gigabyte)
