"""What a prepared corpus holds, counted before a week of computing is spent on it."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from keras_mlm.data.manifest import MANIFEST_FILE, Manifest
from keras_mlm.data.progress import progress_bar
from keras_mlm.errors import InputError
from keras_mlm.inspection.repeats import RepeatCounter, Repeated, Repeats
from keras_mlm.inspection.row_shapes import RowShape, row_shapes
from keras_mlm.inspection.split_counts import SplitCounts
from keras_mlm.inspection.token_batches import first_place, read_token_batches, tokens_at
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Of a repeated document or sentence so many tokens are read again, to be shown.
_SHOWN = 60


@dataclasses.dataclass(frozen=True)
class CorpusInspection:
    """The figures of a prepared corpus.

    Args:
        folder: str, the corpus.
        manifest: `Manifest` of it.
        tokenizer: `WordPieceTokenizer`, the corpus'.
        splits: dict of `SplitCounts`, under `"training"` and `"validation"`.
        documents: `Repeats` among all documents, by their tokens; `shared` are validation documents of training.
        sentences: `Repeats` among all sentences, likewise.
        shapes: list of `RowShape`, of training rows.

    Example:
        ```python
        inspection = CorpusInspection.read("data/news")
        print(inspection.splits["training"].sentence_lengths.percentile(50))
        ```
    """

    folder: str
    manifest: Manifest
    tokenizer: WordPieceTokenizer
    splits: dict[str, SplitCounts]
    documents: Repeats
    sentences: Repeats
    shapes: list[RowShape]

    @classmethod
    def read(cls, folder: str, *, lengths: Sequence[int] = (128, 256, 512), seed: int = 0) -> "CorpusInspection":
        """Read a corpus once, and its sentence pairs once for each length; memory does not grow with it.

        Args:
            folder: str, what `prepare_corpus` wrote.
            lengths: sequence of int, the lengths of rows whose padding is asked for. Defaults to `(128, 256, 512)`.
            seed: int, of the sentence pairs. Defaults to `0`.

        Returns:
            `CorpusInspection`.

        Raises:
            InputError: no prepared corpus there, or a shard is missing or damaged; the message names it.
        """
        manifest = load_manifest(folder)
        tokenizer = WordPieceTokenizer.load(folder)
        splits = {}
        total = sum(split.tokens for split in manifest.splits.values())
        with (
            RepeatCounter() as documents,
            RepeatCounter() as sentences,
            progress_bar("Reading", total, "tokens") as bar,
        ):
            for name in manifest.splits:
                counts = SplitCounts(tokenizer.vocabulary_size, tokenizer.unk_token_id, documents, sentences)
                for batch in read_token_batches(folder, manifest, name):
                    counts.add(batch)
                    bar.update(len(batch.token_ids))
                counts.finish()
                splits[name] = counts
            second_half = first_place(manifest, "validation")
            repeats = documents.count(second_half), sentences.count(second_half)
        return cls(
            folder, manifest, tokenizer, splits, *repeats, shapes=row_shapes(folder, manifest, lengths, seed=seed)
        )

    def text_of(self, repeated: Repeated) -> str:
        """Return the beginning of a repeated document or sentence as readable text.

        Args:
            repeated: `Repeated`, of `documents` or `sentences`.

        Returns:
            A str of at most 60 tokens; what is longer ends in `…`.
        """
        token_ids = tokens_at(self.folder, self.manifest, repeated.place, min(repeated.tokens, _SHOWN))
        text = self.tokenizer.detokenize(tf.constant(token_ids, tf.int32)).numpy().decode()
        return text + (" …" if repeated.tokens > _SHOWN else "")


def load_manifest(folder: str) -> Manifest:
    """Return the manifest of a corpus.

    Raises:
        InputError: there is none; the message tells a text from a folder whose preparation did not finish.
    """
    if not tf.io.gfile.exists(folder):
        raise InputError(f"{folder} does not exist: name a folder that recipes/prepare_corpus.py wrote")
    if not tf.io.gfile.isdir(folder):
        raise InputError(
            f"{folder} is a file, and --data takes a prepared corpus: first python recipes/prepare_corpus.py "
            f"--text {folder} --output data/mine --vocabulary-size 8000"
        )
    names = tf.io.gfile.listdir(folder)
    if MANIFEST_FILE not in names and any(".tfrecord" in name for name in names):
        raise InputError(
            f"{folder} holds shards and no {MANIFEST_FILE}: its preparation goes on, or was stopped; run the same "
            "recipes/prepare_corpus.py command again"
        )
    return Manifest.load(folder)
