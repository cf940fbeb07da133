"""What a prepared corpus holds: the file that is written last, so that its presence means the folder is complete."""

import dataclasses
import hashlib
import json
import re
from typing import Any

import tensorflow as tf

from keras_mlm.config import FORMAT_VERSION, dump_json
from keras_mlm.data.token_record import TOKEN_DTYPES, damaged_shard
from keras_mlm.errors import InputError
from keras_mlm.whole_file import write_whole

MANIFEST_FILE = "manifest.json"
VOCABULARY_FILE = "vocab.txt"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Args:
        file: str, its name inside the folder.
        bytes: int, its size.
        records: int, how many records it holds.
        tokens: int, how many tokens these hold together.
        record_lengths: list of `(tokens in a record, how many such records)`, sorted: the rows of any length that a
            shard gives are known without reading it.
    """

    file: str
    bytes: int
    records: int
    tokens: int
    record_lengths: list[tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Split:
    """The training or the validation half of a corpus: its counts and its shards in order.

    Args:
        documents: int, how many it holds.
        sentences: int, how many these hold together.
        tokens: int, how many tokens, without special ones.
        shards: list of `Shard`.
    """

    documents: int
    sentences: int
    tokens: int
    shards: list[Shard]

    @property
    def has_pairs(self) -> bool:
        """Whether sentence pairs can be made of it: a document of two sentences, and another one for negatives."""
        return self.documents > 1 and self.sentences > self.documents


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a prepared corpus holds, and how it was made.

    Args:
        token_dtype: `"uint16"` or `"int32"`, how token ids are stored.
        vocabulary_size: int, number of tokens in `vocab.txt`.
        vocabulary_hash: str, SHA-256 of the vocabulary's tokens joined by newlines.
        normalization: `"fast"` or `"bert"`, the tokenizer's.
        settings: dict of plain data, everything that decides the content: sources, sizes, options.
        splits: dict of `Split`, under `"training"` and `"validation"`.
        counts: dict of int, what was read, left out and why.
        pos_tags: list of str, the parts of speech that the records' `pos_ids` count from 1 on. Defaults to none.
        format_version: int. Defaults to this version's.
        samples: dict of lists of str, by the reason as in `counts`, where the first stand that were left out or
            changed, without any of their text. Defaults to none.

    Example:
        ```python
        manifest = Manifest.load("data/news")
        print(manifest.splits["training"].tokens)
        ```
    """

    token_dtype: str
    vocabulary_size: int
    vocabulary_hash: str
    normalization: str
    settings: dict[str, Any]
    splits: dict[str, Split]
    counts: dict[str, int]
    pos_tags: list[str] = dataclasses.field(default_factory=list)
    format_version: int = FORMAT_VERSION
    samples: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def save(self, folder: str) -> None:
        """Write `manifest.json` into a folder: aside first, then renamed.

        Args:
            folder: str, local or remote.
        """
        path = tf.io.gfile.join(folder, MANIFEST_FILE)
        # A pair of the length histograms stays on one line: a large corpus has a hundred thousand of them.
        data = dataclasses.asdict(self)
        for name in ("pos_tags", "samples"):
            if not data[name]:
                del data[name]  # as it was before there were any
        text = re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", dump_json(data))
        write_whole(path, text)

    @classmethod
    def load(cls, folder: str) -> "Manifest":
        """Read `manifest.json` of a folder and check it against the vocabulary beside it.

        Args:
            folder: str, the folder that a preparation wrote.

        Returns:
            A `Manifest`.

        Raises:
            InputError: no manifest, an unknown format, or records made with another vocabulary than `vocab.txt`.
        """
        path = tf.io.gfile.join(folder, MANIFEST_FILE)
        if not tf.io.gfile.exists(path):
            raise InputError(
                f"{folder} holds no {MANIFEST_FILE}: it is no prepared corpus, or its preparation did not finish; "
                "run recipes/prepare_corpus.py"
            )
        manifest = cls._parse(path)
        found = _vocabulary_hash(tf.io.gfile.join(folder, VOCABULARY_FILE))
        if found != manifest.vocabulary_hash:
            raise InputError(
                f"the records in {folder} were made with another vocabulary than its {VOCABULARY_FILE} "
                f"(hash {manifest.vocabulary_hash[:12]}, not {found[:12]}): put it back or prepare the corpus again"
            )
        return manifest

    def shard_paths(self, folder: str, split: str) -> list[str]:
        """Return the paths of a split's shards in order, after checking that each is there with its full size.

        Args:
            folder: str, the folder the manifest was loaded from.
            split: `"training"` or `"validation"`.

        Raises:
            InputError: a shard is missing or has another size; the message names it.
        """
        paths = []
        for shard in self.splits[split].shards:
            path = tf.io.gfile.join(folder, shard.file)
            if not tf.io.gfile.exists(path):
                raise InputError(f"{path} is missing: remove {MANIFEST_FILE} and prepare the corpus again")
            if tf.io.gfile.stat(path).length != shard.bytes:
                raise damaged_shard(path)
            paths.append(path)
        return paths

    @classmethod
    def _parse(cls, path: str) -> "Manifest":
        try:
            with tf.io.gfile.GFile(path) as file:
                data = json.loads(file.read())
            version = data["format_version"]
            if version != FORMAT_VERSION:
                raise InputError(f"{path} has format {version}; this version reads format {FORMAT_VERSION}")
            splits = {
                name: Split(**{**split, "shards": [_parse_shard(shard) for shard in split["shards"]]})
                for name, split in data["splits"].items()
            }
            manifest = cls(**{**data, "splits": splits})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is damaged ({error}): prepare the corpus again") from error
        if manifest.token_dtype not in TOKEN_DTYPES:
            raise InputError(f"{path}: token_dtype must be one of {', '.join(TOKEN_DTYPES)}")
        return manifest


def _parse_shard(data: dict[str, Any]) -> Shard:
    # A manifest is plain data from anywhere: a shard's name may not lead out of its folder.
    if data["file"] != data["file"].replace("\\", "/").rsplit("/", 1)[-1]:
        raise InputError(f"a manifest may not point to the shard {data['file']!r} outside its folder")
    return Shard(**{**data, "record_lengths": [(length, count) for length, count in data["record_lengths"]]})


def _vocabulary_hash(path: str) -> str:
    if not tf.io.gfile.exists(path):
        raise InputError(f"{path} is missing: put the vocabulary back or prepare the corpus again")
    with tf.io.gfile.GFile(path, "rb") as file:
        return hashlib.sha256(file.read().removesuffix(b"\n")).hexdigest()
