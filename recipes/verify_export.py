"""Hold everything that was exported against the Keras model, on your own sentences."""

from typing import Any

from keras_mlm import command_line


def verify_export(
    folder: str,
    *,
    model: str | None = None,
    text: list[str] | None = None,
    lines: int = 200,
    seconds: float = 1.0,
    json: str | None = None,
) -> list[dict[str, Any]]:
    """Print one table: each artefact's size, load time, difference to the Keras model, answers and speed.

    In each sentence one word is masked; "right" is the share that is filled with the word that stood there, "same" the
    share filled as the Keras model fills it. "difference" is the largest of any score or vector. Exit code 1 where a
    float32 artefact is further than 1e-4 from the Keras model.

    Args:
        folder: folder of the numbered folders, as recipes/export.py writes it.
        model: model folder that was exported; by default the same folder.
        text: Files and folders of UTF-8 text, a sentence a line; by default some built-in sentences.
        lines: how many of the sentences are used.
        seconds: how long each speed is measured.
        json: File to write the rows to.
    """
    import json as json_module
    from itertools import islice

    from keras_mlm.data.documents import read_documents
    from keras_mlm.errors import RunError
    from keras_mlm.export.tokenizer_strings import tokenizer_strings
    from keras_mlm.export.verify import verify_export as verify
    from keras_mlm.model_folder import load_pretrainer
    from keras_mlm.text_table import text_table

    bert = load_pretrainer(model or folder)
    if text:
        sentences = list(islice((line for document in read_documents(text) for line in document.lines), lines))
    else:
        sentences = [line for line in tokenizer_strings()[100:] if "[MASK]" not in line][:lines]
    rows = verify(folder, bert, sentences, seconds=seconds)
    columns = {
        "artefact": lambda row: row["name"],
        "MB": lambda row: f"{row['megabytes']:.2f}",
        "load s": lambda row: None if row["load_seconds"] is None else f"{row['load_seconds']:.2f}",
        "first s": lambda row: None if row["first_seconds"] is None else f"{row['first_seconds']:.2f}",
        "difference": lambda row: f"{row['difference']:.1e}",
        "same": lambda row: f"{row['same_first']:.1%}",
        "right": lambda row: f"{row['right']:.1%}",
        "truncated": lambda row: f"{row['truncated']:.1%}",
        "ms, 1 text": lambda row: f"{row['milliseconds']:.1f}",
        "texts/s, 32": lambda row: f"{row['texts_per_second']:.0f}",
    }
    print(text_table(list(columns), [[column(row) for column in columns.values()] for row in rows]))
    if json:
        with open(json, "w") as file:
            json_module.dump(rows, file, indent=2)
    exact = [row for row in rows if not any(word in row["name"] for word in ("float16", "int8"))]
    wrong = [row["name"] for row in exact if not row["difference"] <= 1e-4]
    if wrong:
        raise RunError(f"{', '.join(wrong)}: further than 1e-4 from the Keras model")
    return rows


if __name__ == "__main__":
    command_line.run(verify_export)
