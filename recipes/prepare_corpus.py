"""Text in, a folder of token records out: run it with --help."""

from typing import Any, Literal

from keras_mlm import command_line

# Of plain Chinese text; packed text has fewer.
BYTES_A_CHARACTER = 3


def prepare_corpus(
    *,
    text: list[str],
    output: str,
    vocabulary_size: int | None = None,
    vocabulary: str | None = None,
    init: str | None = None,
    new_words: str | None = None,
    annotator: str | None = None,
    redact: list[Literal["emails", "phones", "cn_ids", "bank_cards"]] | None = None,
    min_characters: int = 1,
    max_characters: int | None = None,
    languages: list[str] | None = None,
    drop_repeats: Literal["documents", "lines"] = "documents",
    drop_near_repeats: float | None = None,
    exclude: list[str] | None = None,
    normalization: Literal["fast", "bert"] = "fast",
    cased: bool = False,
    field: str | None = None,
    errors: Literal["strict", "replace", "skip"] = "strict",
    workers: int | None = None,
    runner: str | None = None,
) -> None:
    """Prepare text for pre-training.

    Files are UTF-8. In plain text a blank line ends a document, and a line is a sentence or a paragraph; in .jsonl,
    .csv, .tsv and .parquet a row is a document. All but the last may be packed as .gz or .xz. Exact duplicates are left
    out, and one document in twenty is held out for validation. The same command on a finished folder returns at once,
    and on one that was stopped goes on.

    Args:
        text: Files, folders and patterns such as 'corpus/*.jsonl.gz'; - is standard input: plain text, or JSONL with
            --field. Parquet needs the extra "parquet".
        output: The folder to write.
        vocabulary_size: Train a vocabulary of exactly this many tokens.
        vocabulary: Use this vocabulary instead, a file with one token a line.
        init: Use the vocabulary of the model that pretrain.py --init will start from, cut and folded as it was: a model
            folder, hf:FOLDER, google:FOLDER or keras_hub:FOLDER.
        new_words: A file of words of your field, one a line, that become tokens of their own; with --init.
        annotator: Who says where words begin, and of what kind they are: rjieba, for Chinese, or the folder of a tagger
            that finetune_tagger.py wrote. By default a Chinese character is a word.
        redact: What becomes words, such as "email address" or 电子邮箱, which are ordinary text to a tokenizer: emails,
            phones (as far as they can have been assigned), cn_ids (Chinese ID numbers) and bank_cards, these two where
            date and check digits are right. Several may be named.
        min_characters: Leave out documents that are shorter.
        max_characters: Leave out documents that are longer.
        languages: Leave out documents in other languages than these, such as: en zh. What is too short or too mixed to
            tell is kept and counted.
        drop_repeats: Exact copies of documents are left out in any case; "lines" leaves out lines too that were there
            before, if they have eight words or more.
        drop_near_repeats: Leave out documents that share such a part of their runs of five words, or of five Chinese
            characters, with an earlier one: 0.8 is a good measure.
        exclude: Files of evaluation sets, of texts or of tagged words; documents that contain a sentence of
            theirs are left out.
        normalization: "fast" for a vocabulary of your own, "bert" for one that came with a Google or Hugging Face BERT.
        cased: Tell upper from lower case.
        field: What holds the text of a row: an entry of JSONL, "text" by default, a column of Parquet, or one of CSV
            and TSV by its name in the first line, or by its number where that line has no names. With it folders are
            searched for .csv, .tsv and .parquet too.
        errors: What to do about bytes that are not UTF-8 and rows that cannot be read: "strict" stops, "replace" puts
            a sign in the place of such bytes, "skip" leaves out such documents and counts them.
        workers: How many processes tokenize: by default as many as there are cores and enough text for. It changes
            nothing of what is written.
        runner: Tokenize on Apache Beam instead, such as DirectRunner on this machine; nor does that.
    """
    import time

    from keras_mlm.config import dump_json
    from keras_mlm.data.cleaning.cleaning import Cleaning
    from keras_mlm.data.documents import read_documents
    from keras_mlm.data.left_out import LeftOut
    from keras_mlm.data.text_files import describe_paths
    from keras_mlm.errors import InputError

    if [vocabulary_size, vocabulary, init].count(None) != 2:
        raise InputError(
            "give either --vocabulary-size N to train a vocabulary, --vocabulary FILE to use one, or --init MODEL to "
            "use that of a model"
        )
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: one is the least")
    if new_words is not None and init is None:
        raise InputError("--new-words adds to the vocabulary of a model: give --init too")
    cleaning = Cleaning(
        redact=redact or [],
        min_characters=min_characters,
        max_characters=max_characters,
        languages=languages or [],
        drop_repeated_lines=drop_repeats == "lines",
        drop_near_repeats=drop_near_repeats,
    )
    left_out = LeftOut()
    documents = read_documents(text, field=field, errors=errors, left_out=left_out)
    sources: dict[str, Any] = {"text": describe_paths(text, tables=field is not None), "errors": errors}
    if field is not None:
        sources["field"] = field

    # Only now what takes seconds to load: what is wrong with the arguments has been said at once.
    import tensorflow as tf

    from keras_mlm.data import prepare_corpus as preparation
    from keras_mlm.data.prepare_splits import workers_for
    from keras_mlm.tokenizers.vocabulary_file import read_vocabulary

    words = read_vocabulary(vocabulary) if vocabulary else None
    folding: dict[str, Any] = {"normalization": normalization, "lowercase": not cased}
    if init is not None:
        from keras_mlm.interop.continued_pretraining import with_new_words
        from keras_mlm.interop.named_model import load_named_tokenizer

        tokenizer = load_named_tokenizer(init)
        words = with_new_words(tokenizer, read_vocabulary(new_words) if new_words else [], new_words or "")
        folding = {name: getattr(tokenizer, name) for name in ("normalization", "lowercase", "strip_accents")}
    start = time.time()
    words_by = annotator_from(annotator) if annotator else None
    if workers is None:
        # Files this large have enough text for several, whatever is left out of them; else the text itself decides.
        likely = workers_for(sum(entry["bytes"] for entry in sources["text"]) // BYTES_A_CHARACTER, words_by)
        workers = likely if likely > 1 else None
    manifest = preparation.prepare_corpus(
        documents,
        output,
        sources=sources,
        vocabulary=words,
        vocabulary_size=vocabulary_size or 0,
        **folding,
        annotator=words_by,
        cleaning=cleaning,
        exclude=exclude or [],
        left_out=left_out,
        workers=workers,
        runner=runner,
    )
    print(report(manifest, left_out.samples or manifest.samples))
    metrics = tf.io.gfile.join(output, "metrics.json")
    if not tf.io.gfile.exists(metrics):
        figures: dict[str, float] = {f"{name}_tokens": split.tokens for name, split in manifest.splits.items()}
        figures |= {"vocabulary_size": manifest.vocabulary_size, "seconds": round(time.time() - start, 1)}
        with tf.io.gfile.GFile(metrics, "w") as file:
            file.write(dump_json({**manifest.counts, **figures}))
    with_init = f" --init {init}" if init else ""
    print(f"Everything is in {output}. Next: python recipes/pretrain.py --data {output}{with_init}")


def annotator_from(name: str) -> Any:
    """Return the annotator of a name: rjieba, or a tagger's folder."""
    from keras_mlm.tagger_annotator import tagger_annotator
    from keras_mlm.tokenizers.annotator import chinese_annotator

    return chinese_annotator() if name == "rjieba" else tagger_annotator(name)


def report(manifest: Any, samples: dict[str, list[str]]) -> str:
    """Return what a preparation counted, in a few lines, with samples of what was left out or changed."""
    from keras_mlm.inspection.left_out_text import left_out_text

    counts, asked = manifest.counts, manifest.settings["vocabulary_size"]
    lines = [
        f"Read {counts['documents_read']:,} documents and kept {counts['documents']:,}.",
        *left_out_text(counts, samples),
        f"Vocabulary of {manifest.vocabulary_size:,} tokens"
        + (f" of the {asked:,} asked for." if asked > manifest.vocabulary_size else "."),
    ]
    for name, split in manifest.splits.items():
        unknown = counts[f"{name}_unknown_tokens"] / max(1, split.tokens)
        lines.append(
            f"{name.capitalize()}: {split.documents:,} documents, {split.sentences:,} sentences, {split.tokens:,} "
            f"tokens ({unknown:.3%} unknown)."
        )
    lines.append(
        f"Left out of validation, because training has them: {counts['validation_sentences_left_out']:,} sentences, "
        f"which emptied {counts['validation_documents_left_out']:,} documents."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    command_line.run(prepare_corpus)
