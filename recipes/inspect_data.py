"""What a prepared corpus holds, and what a model will see of it: run it with --help."""

from typing import Annotated, Literal

from cyclopts import Parameter

from keras_mlm import command_line


def inspect_data(
    *,
    data: str,
    text: list[str] | None = None,
    field: str | None = None,
    errors: Literal["strict", "replace", "skip"] = "strict",
    masking: Annotated[Literal["token", "whole_word", "span"], Parameter(name=["--masking", "--strategy"])] = "token",
    length: int = 128,
    packed: bool = False,
    rows: int = 10,
    seed: int = 0,
    picture: str | None = None,
) -> None:
    """Look at a prepared corpus before a week of computing is spent on it.

    Printed are documents, sentences, tokens, lengths, [UNK]s, exact copies, scripts, rows an epoch and their padding at
    128, 256 and 512 tokens, and then the first rows that a training with this seed sees: what is masked, replaced and
    kept, in colour on a terminal. Histograms go into a picture. Nothing is written into the data folder.

    Args:
        data: Folder that prepare_corpus wrote.
        text: The files and folders of text that it was made of, to name the words that became [UNK].
        field: What holds the text of a row, where --text names JSONL, CSV or TSV.
        errors: What to do about text that cannot be read, as of prepare_corpus: strict, replace or skip.
        masking: What is masked together in the rows: token, whole_word or span (runs of up to ten words).
        length: Tokens a row of those that are printed.
        packed: Print rows that several texts share, as the style modern has them, instead of sentence pairs.
        rows: How many rows to print.
        seed: Of the training: which rows, pairs and masks.
        picture: The PNG file to write; by default the data folder's name and .png, beside it.
    """
    import importlib.util
    import os
    import shutil
    import sys
    from pathlib import Path

    from keras_mlm.errors import InputError

    has_matplotlib = importlib.util.find_spec("matplotlib") is not None
    if picture is not None and not has_matplotlib:
        raise InputError("--picture needs matplotlib: pip install matplotlib")
    if picture is not None and not Path(picture).absolute().parent.is_dir():
        raise InputError(f"--picture {picture}: there is no such folder to write it to")
    if rows < 0:
        raise InputError(f"--rows must be at least 0, not {rows}")

    from keras_mlm.inspection.corpus_inspection import CorpusInspection, load_manifest
    from keras_mlm.inspection.inspection_text import inspection_text
    from keras_mlm.inspection.length_picture import save_length_picture
    from keras_mlm.inspection.masked_rows import count_kinds, masked_row_text, masked_rows
    from keras_mlm.inspection.unknown_words import UnknownWords
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    pairs = load_manifest(data).splits["training"].has_pairs and not packed
    tokenizer = WordPieceTokenizer.load(data)
    # First what is quick and may be refused: a length out of range, or a text that is not there.
    options = {"length": length, "masking": masking, "next_sentence": pairs, "packed": packed, "seed": seed}
    chosen = masked_rows(data, rows, tokenizer.vocabulary, **options) if rows else []
    unknown = UnknownWords.of(text, tokenizer, field=field, errors=errors) if text else None
    inspection = CorpusInspection.read(data, seed=seed)

    columns = min(shutil.get_terminal_size((100, 24)).columns, 120)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(inspection_text(inspection, unknown, columns=columns))
    if chosen:
        print(f"\nThe first {len(chosen)} rows of a training with --seed {seed}, 15 % of the tokens selected\n")
        print("[MASK→word] masked, {other←word} replaced, (=word) kept as it is: all three are to be predicted.")
    for number, row in enumerate(chosen, 1):
        relation = f", {row.relation}" if row.relation else ""
        print(f"\n{number}. row {row.example_index:,} of the corpus{relation}")
        print(masked_row_text(row.pieces, columns, colour=colour))
    if chosen:
        print("\nIn these rows: " + ", ".join(f"{count:,} {kind}" for kind, count in count_kinds(chosen).items()) + ".")
    if has_matplotlib:
        picture = picture or data.rstrip("/") + ".png"
        save_length_picture(picture, inspection)
        print(f"\nHistograms are in {picture}.")
    else:
        print("\nNo picture of the histograms: it needs matplotlib (pip install matplotlib).")


if __name__ == "__main__":
    command_line.run(inspect_data)
