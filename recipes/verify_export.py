"""Hold everything that was exported against the Keras model, on your own sentences."""

from typing import Any

from keras_mlm import command_line


def verify_export(
    folder: str,
    *,
    model: str | None = None,
    text: list[str] | None = None,
    labelled: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    pair_column: str | None = None,
    label_separator: str | None = None,
    lines: int | None = None,
    seconds: float = 1.0,
    json: str | None = None,
) -> list[dict[str, Any]]:
    """Print one table: each artefact's size, load time, difference to the Keras model, answers and speed.

    A pre-trained model is asked for one masked word of each sentence: "right" is the share that is filled with the word
    that stood there. A classifier is asked for classes: "right" is the share of labelled examples that get theirs. A
    tagger is asked for tags: "right" is F1 of the spans that they spell, else the share of words with theirs. "same" is
    the share answered as the Keras model answers, "difference" the largest of any probability or vector. Exit code 1
    where a float32 artefact is further than 1e-4 from the Keras model.

    Args:
        folder: folder of the numbered folders, as recipes/export.py writes it.
        model: model folder that was exported; by default the same folder.
        text: Files and folders of UTF-8 text, a sentence a line; by default some built-in sentences.
        labelled: For a classifier, labelled examples instead: .tsv, .csv or .jsonl. For a tagger a word a line.
        text_column: Column of the text, or of the word, by number from 1 or by name; as the fine-tuning recipes.
        label_column: Column of the label; as the fine-tuning recipes.
        pair_column: Column of the second text of a pair.
        label_separator: What stands between labels where a text may have several.
        lines: how many sentences are used; by default 200, of labelled examples 1,000 from all over the file.
        seconds: how long each speed is measured.
        json: File to write the rows to.
    """
    import json as json_module
    from itertools import islice

    from keras_mlm.data.documents import read_documents
    from keras_mlm.data.labelled_texts import read_labelled_texts
    from keras_mlm.data.tagged_words import read_tagged_words
    from keras_mlm.errors import InputError, RunError
    from keras_mlm.export.tokenizer_strings import tokenizer_strings
    from keras_mlm.export.verify import verify_export as verify
    from keras_mlm.model_folder import load_model
    from keras_mlm.models.bert_token_classifier import BertTokenClassifier
    from keras_mlm.text_table import text_table

    if labelled and text:
        raise InputError("give either --labelled or --text")
    bert = load_model(model or folder)
    sentences: list[Any]
    labels: list[Any] | None = None
    if labelled:
        examples: list[Any]
        if isinstance(bert, BertTokenClassifier):
            examples = list(read_tagged_words(labelled, word=text_column, label=label_column))
        else:
            named = {"text": text_column, "label": label_column, "pair": pair_column, "separator": label_separator}
            examples = list(read_labelled_texts(labelled, **named))
        if bool(label_separator) != getattr(bert, "multi_label", False):
            raise InputError("--label-separator is for classifiers of several labels a text, and those need it")
        examples = examples[:: max(1, len(examples) // (lines or 1000))][: lines or 1000]
        tagged = isinstance(bert, BertTokenClassifier)
        sentences = [example.words if tagged else example.text for example in examples]
        labels = [example.tags if tagged else example.label for example in examples]
    elif text:
        sentences = list(islice((line for document in read_documents(text) for line in document.lines), lines or 200))
    else:
        sentences = [line for line in tokenizer_strings()[100:] if "[MASK]" not in line][: lines or 200]
    rows = verify(folder, bert, sentences, labels, seconds=seconds)
    columns = {
        "artefact": lambda row: row["name"],
        "MB": lambda row: f"{row['megabytes']:.2f}",
        "load s": lambda row: None if row["load_seconds"] is None else f"{row['load_seconds']:.2f}",
        "first s": lambda row: None if row["first_seconds"] is None else f"{row['first_seconds']:.2f}",
        "difference": lambda row: f"{row['difference']:.1e}",
        "same": lambda row: f"{row['same_first']:.1%}",
        "right": lambda row: None if row["right"] is None else f"{row['right']:.1%}",
        "truncated": lambda row: f"{row['truncated']:.1%}",
        "ms, 1 text": lambda row: f"{row['milliseconds']:.1f}",
        "texts/s, 32": lambda row: f"{row['texts_per_second']:.0f}",
    }
    print(text_table(list(columns), [[column(row) for column in columns.values()] for row in rows]))
    if json:
        with open(json, "w") as file:
            json_module.dump(rows, file, indent=2)
    for row in rows[1:]:
        if row["right"] is not None and row["right"] < rows[0]["right"] - 0.01:
            lost = 100 * (rows[0]["right"] - row["right"])
            print(f"{row['name']}: {lost:.1f} points fewer right than the Keras model")
    exact = [row for row in rows if not any(word in row["name"] for word in ("float16", "int8"))]
    wrong = [row["name"] for row in exact if not row["difference"] <= 1e-4]
    if wrong:
        raise RunError(f"{', '.join(wrong)}: further than 1e-4 from the Keras model")
    return rows


if __name__ == "__main__":
    command_line.run(verify_export)
