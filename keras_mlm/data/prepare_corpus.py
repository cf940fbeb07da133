"""Documents in, a folder of token records out."""

import collections
import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import tensorflow as tf

from keras_mlm.data.cleaning.cleaning import Cleaning
from keras_mlm.data.corpus_folder import finished_corpus, unfinished_corpus
from keras_mlm.data.document_spool import DocumentSpool
from keras_mlm.data.documents import Document
from keras_mlm.data.excluded_sentences import ExcludedSentences
from keras_mlm.data.fingerprints import FingerprintSet, fingerprint, normalize
from keras_mlm.data.held_out import HeldOut
from keras_mlm.data.left_out import LeftOut, start_of
from keras_mlm.data.manifest import Manifest, Split
from keras_mlm.data.prepare_splits import identity, join_parts, prepare_splits, split_tasks, worker_pool, workers_for
from keras_mlm.data.progress import progress_bar
from keras_mlm.data.record_builder import build_records
from keras_mlm.data.record_count import RecordCount
from keras_mlm.data.sentences import sentences_of
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.text_files import describe_paths
from keras_mlm.data.token_record import TokenRecord, token_dtype_for
from keras_mlm.data.word_counter import WordCounter
from keras_mlm.data.worker_pool import WorkerPool
from keras_mlm.errors import InputError
from keras_mlm.freed_memory import give_freed_memory_back
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.tokenizers.learn_vocabulary import learn_from_words
from keras_mlm.tokenizers.vocabulary_file import vocabulary_hash
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from keras_mlm.whole_file import write_whole

logger = logging.getLogger(__name__)

# The trainer takes its time word by word, and of 8,000 tokens twice as much text moved 144.
VOCABULARY_CHARACTERS = 100_000_000


def prepare_corpus(
    documents: Iterable[Document],
    output: str,
    *,
    sources: Any = None,
    vocabulary: Sequence[str] | None = None,
    vocabulary_size: int = 8000,
    exact_size: bool = True,
    normalization: Literal["fast", "bert"] = "fast",
    lowercase: bool = True,
    strip_accents: bool | None = None,
    annotator: Annotator | None = None,
    cleaning: Cleaning | None = None,
    exclude: Sequence[str] = (),
    validation_share: float = 0.05,
    left_out: LeftOut | None = None,
    workers: int | None = None,
    runner: str | None = None,
) -> Manifest:
    """Prepare documents for pre-training: records of token ids in shards, a vocabulary, and a manifest.

    Exact duplicates are dropped first. Then documents are held out for validation by a hash of their content, the
    vocabulary is trained on the others, and sentences of eight words or more that training contains are left out of
    validation. Memory does not grow with the corpus. While it lasts, a folder in the output holds the text once more
    and the records.

    The text is tokenized split by split, on all cores where there is enough of it; the bytes written depend neither on
    their number nor on the runner. The same call on a folder that is finished returns at once, without reading a
    document. On one that was left unfinished by a kill, Ctrl-C or the death of a worker it reads the documents again,
    keeps the splits that are finished and prepares the others, and those whose text is another one now.

    Args:
        documents: iterable of `Document`, read once.
        output: str, the folder to write: new, empty, unfinished, or prepared with the same settings.
        sources: plain data that tells these documents from others, such as `describe_paths` gives: kept in the
            manifest and compared with it. Defaults to `None`.
        vocabulary: sequence of str, used as it is; or `None` to train one. Defaults to `None`.
        vocabulary_size: int, tokens of the vocabulary to train. Defaults to `8000`.
        exact_size: bool, whether fewer tokens than that are refused. Defaults to `True`.
        normalization: `"fast"` or `"bert"`, see `WordPieceTokenizer`. Defaults to `"fast"`.
        lowercase: bool. Defaults to `True`.
        strip_accents: bool, or `None` for the value of `lowercase`. Defaults to `None`.
        annotator: `Annotator` that says where words begin and of what kind they are. Defaults to `None`, the words of
            the tokenizer: a Chinese character is one.
        cleaning: `Cleaning`, what else is left out or changed before. Defaults to `None`, nothing.
        exclude: sequence of str, files with sentences whose documents are left out. Defaults to none.
        validation_share: float, the share of documents to hold out, at most 2,000 of them. Defaults to `0.05`.
        left_out: `LeftOut` that the documents' reader was given: what it counts as they are read becomes part of the
            manifest, beside the duplicates. Defaults to `None`.
        workers: int, how many processes tokenize, which start at once. Defaults to `None`, as many as there are cores
            and, when it is read, enough text for; an annotator that cannot be sent to them works in one.
        runner: str, the runner of Apache Beam that does it instead, such as `"DirectRunner"`. Defaults to `None`.

    Returns:
        The folder's `Manifest`.

    Raises:
        InputError: bad input, too few documents, a vocabulary that cannot be had, or an output with other settings.
        RunError: what failed on the way, such as a full disk, or the death of a worker, which the message says the
            split of. Nothing half-written is left.

    Example:
        ```python
        manifest = prepare_corpus(read_documents(["news.txt"]), "data/news", vocabulary_size=8000)
        print(manifest.splits["validation"].documents)
        ```
    """
    settings = {
        "sources": sources,
        "vocabulary": vocabulary_hash(vocabulary) if vocabulary is not None else None,
        "vocabulary_size": vocabulary_size if vocabulary is None else len(vocabulary),
        "exact_size": exact_size if vocabulary is None else True,
        "normalization": normalization,
        "lowercase": lowercase,
        "exclude": describe_paths(exclude),
        "validation_share": validation_share,
    }
    if strip_accents not in (None, lowercase):  # as before there was a choice, where it is not used
        settings["strip_accents"] = strip_accents
    if annotator is not None:
        settings["annotator"] = annotator.name
    cleaning = cleaning or Cleaning()
    if cleaning.settings:
        settings["cleaning"] = cleaning.settings
    settings = json.loads(json.dumps(settings))  # as a manifest gives them back
    finished = finished_corpus(output, settings)
    if finished is not None:
        logger.info("%s is already prepared with these settings", output)
        return finished
    folding: dict[str, Any] = {
        "normalization": normalization,
        "lowercase": lowercase,
        "strip_accents": strip_accents,
    }
    tokenizer = None if vocabulary is None else WordPieceTokenizer(vocabulary, **folding)
    excluded = ExcludedSentences(exclude)
    counts: collections.Counter[str] = collections.Counter()
    left_out = left_out or LeftOut()
    held_out = HeldOut(validation_share)
    with unfinished_corpus(output) as work, contextlib.ExitStack() as stack:
        early = workers if runner is None else 1
        # Where it is known how many there are, they load what they need while this process reads.
        pool = None if early is None else stack.enter_context(worker_pool(early, annotator))
        spool = DocumentSpool(work)
        cleaned = cleaning.clean(_counted(documents, counts), left_out)
        _collect(cleaned, excluded, held_out, spool, counts, left_out)
        held_out.choose()
        first_ids = _keep_held_out(spool, held_out)
        if pool is None:
            pool = stack.enter_context(worker_pool(workers_for(spool.characters, annotator), annotator))
        made_by = [folding, annotator and annotator.name, held_out.save(work)]
        if tokenizer is None:
            tokenizer = _with_new_vocabulary(spool, work, settings, folding, pool)
        tokenizer.save(work)
        made_by.append(tokenizer.vocabulary_hash)
        tasks = split_tasks(spool, first_ids, work, made_by)
        prepare_splits(tasks, work, annotator, pool, runner)
        stack.close()
        token_dtype = token_dtype_for(tokenizer.vocabulary_size)
        tags: dict[str, int] = {}
        with ShardWriter(output, "training", token_dtype) as writer:
            training, counts["training_unknown_tokens"], seen = join_parts(tasks, writer, token_dtype, tags)
        held_out.leave_out(seen)
        records = build_records(
            enumerate(held_out.remaining(), first_ids[-1]), tokenizer, annotator=annotator, tags=tags
        )
        with ShardWriter(output, "validation", token_dtype) as writer:
            validation, counts["validation_unknown_tokens"] = _write(records, writer, tokenizer.unk_token_id)
        counts["validation_sentences_left_out"] = held_out.sentences_left_out
        counts["validation_documents_left_out"] = held_out.documents_left_out
        tokenizer.save(output)
        manifest = Manifest(
            token_dtype=token_dtype,
            vocabulary_size=tokenizer.vocabulary_size,
            vocabulary_hash=tokenizer.vocabulary_hash,
            normalization=normalization,
            settings=settings,
            splits={"training": training, "validation": validation},
            counts=dict(sorted(counts.items())),
            pos_tags=list(tags),
            samples=dict(sorted(left_out.places.items())),
        )
        manifest.save(output)
    if not validation.documents:
        logger.warning("%s has nothing to validate on: all held-out sentences occur in training too", output)
    return manifest


def _counted(documents: Iterable[Document], counts: collections.Counter[str]) -> Iterator[Document]:
    counts["documents_read"] = 0
    for document in documents:
        counts["documents_read"] += 1
        yield document


def _collect(
    documents: Iterable[Document],
    excluded: ExcludedSentences,
    held_out: HeldOut,
    spool: DocumentSpool,
    counts: collections.Counter[str],
    left_out: LeftOut,
) -> None:
    """Read the documents and spool the lines of those that are neither duplicates nor excluded."""
    seen = FingerprintSet()
    for name in ("duplicate_documents", "excluded_documents", "documents"):
        counts[name] = 0
    with progress_bar("Reading", None, "documents") as bar:
        for document in documents:
            bar.update()
            key = fingerprint(normalize(document.text))
            if not seen.add(key):
                left_out.add("duplicate_documents", document.place, start_of(document.text))
                continue
            if excluded.occur_in(document.lines):
                counts["excluded_documents"] += 1
                continue
            counts["documents"] += 1
            held_out.offer(key, sum(map(len, document.lines)))
            spool.append(key, document.lines, f"{document.source}, line {document.line}")
    spool.close()
    seen.close()
    counts.update(left_out.counts)
    if counts["documents"] < 2:
        others = counts["documents_read"] - counts["documents"]
        others += counts["unreadable_documents"] + counts["empty_documents"]
        raise InputError(
            f"found {counts['documents']} document{'s' * (counts['documents'] != 1)}"
            f"{f' besides {others:,} duplicate, excluded, filtered or bad ones' if others else ''}"
            ", and two are the least: put a blank line between documents, or give more text"
        )


def _with_new_vocabulary(
    spool: DocumentSpool, work: str, settings: dict[str, Any], folding: dict[str, Any], pool: WorkerPool
) -> WordPieceTokenizer:
    """Return the tokenizer of a vocabulary trained on the documents, or the one that an earlier attempt had trained."""
    path = tf.io.gfile.join(work, "trained_on")
    trained_on = identity(settings, [split.digest for split in spool.splits])
    if tf.io.gfile.exists(path):
        with tf.io.gfile.GFile(path) as file:
            kept = file.read().split()
        with contextlib.suppress(InputError):  # an attempt that was killed while it wrote another one
            tokenizer = WordPieceTokenizer.load(work)
            if kept == [trained_on, tokenizer.vocabulary_hash]:
                return tokenizer
    # All training documents, or as large a sample as a vocabulary needs.
    counter = WordCounter(work, min(1.0, VOCABULARY_CHARACTERS / max(1, spool.characters)), folding)
    with progress_bar("Counting words", spool.characters, "characters") as bar:
        for split in pool.run(counter, spool.splits):
            bar.update(split.characters)
    logger.info("Training a vocabulary")
    size, exact = settings["vocabulary_size"], settings["exact_size"]
    report = learn_from_words(counter.of(spool.splits), size, exact=exact)
    give_freed_memory_back()
    tokenizer = WordPieceTokenizer(report.vocabulary, **folding)
    tokenizer.save(work)
    write_whole(path, f"{trained_on} {tokenizer.vocabulary_hash}")
    return tokenizer


def _keep_held_out(spool: DocumentSpool, held_out: HeldOut) -> list[int]:
    """Hold the chosen documents; return the id of each split's first training document, and the one after the last."""
    first_ids = [0]
    for split in spool.splits:
        chosen = 0
        for _, lines in split.read(held_out.__contains__):
            held_out.keep(sentences_of(lines))
            chosen += 1
        first_ids.append(first_ids[-1] + split.documents - chosen)
    return first_ids


def _write(records: Iterable[TokenRecord], writer: ShardWriter, unk_token_id: int) -> tuple[Split, int]:
    """Write all records; return what they are, and how many of their tokens are [UNK]."""
    count = RecordCount(unk_token_id)
    for record in records:
        writer.write(record)
        count.add(record)
    writer.close()
    return Split(
        count.documents, count.sentences, sum(shard.tokens for shard in writer.shards), writer.shards
    ), count.unknown_tokens
