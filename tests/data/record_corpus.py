"""Writes small corpora of records in which a token's id tells its document."""

import hashlib
from pathlib import Path

import numpy as np

from keras_mlm.data.manifest import Manifest, Split
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.token_record import TokenRecord

IDS_A_DOCUMENT = 40


def digests(folder):
    """The SHA-256 of every file of a folder, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(folder).iterdir())}


def write_corpus(folder, training, validation, *, shard_bytes=1500, record_tokens=90):
    """Write documents given as lists of sentence lengths; a token's id tells its document."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    count = len(training) + len(validation)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += [f"t{number}" for number in range(IDS_A_DOCUMENT * count)]
    text = "\n".join(vocabulary)
    (folder / "vocab.txt").write_text(text + "\n")
    splits, document_id = {}, 0
    for name, documents in (("training", training), ("validation", validation)):
        with ShardWriter(str(folder), name, "uint16", shard_bytes) as writer:
            for sentences in documents:
                ids = 5 + IDS_A_DOCUMENT * document_id + rng.integers(0, IDS_A_DOCUMENT, sum(sentences))
                starts = np.isin(np.arange(len(ids)), np.cumsum([0, *sentences]))
                words = starts | (rng.random(len(ids)) < 0.7)
                # Records hold whole sentences.
                begin = 0
                for end in [*(np.flatnonzero(starts)[1:]), len(ids)]:
                    following = np.append(np.flatnonzero(starts), len(ids))
                    if end == len(ids) or following[following > end][0] - begin > record_tokens:
                        part = slice(begin, end)
                        writer.write(TokenRecord(document_id, ids[part].astype("int32"), words[part], starts[part]))
                        begin = end
                document_id += 1
        splits[name] = Split(len(documents), sum(map(len, documents)), sum(map(sum, documents)), writer.shards)
    digest = hashlib.sha256(text.encode()).hexdigest()
    Manifest("uint16", len(vocabulary), digest, "fast", {}, splits, {}).save(str(folder))
    return str(folder)


def random_documents(count, seed, sentences=(1, 16), words=(3, 15)):
    rng = np.random.default_rng(seed)
    return [rng.integers(*words, rng.integers(*sentences)).tolist() for _ in range(count)]


def take(batches, count):
    """Return the first batches as NumPy arrays."""
    return list(batches.take(count).as_numpy_iterator())
