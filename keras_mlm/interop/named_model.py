"""A model by the name that recipes give it: `DIR`, `hf:FOLDER`, `google:FOLDER` or `keras_hub:FOLDER`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

KINDS = ("hf", "google", "keras_hub")


def split_name(name: str) -> tuple[str, str]:
    """Return the kind of a name, `""` for a model folder of this package, and the folder.

    Args:
        name: str, such as `"hf:bert-base-uncased"`.

    Returns:
        Two strings, such as `("hf", "bert-base-uncased")`.
    """
    kind, colon, folder = name.partition(":")
    return (kind, folder) if colon and kind in KINDS else ("", name)


def load_named(name: str, *, strict: bool = True) -> Any:
    """Return the model of a name.

    Args:
        name: str, a model folder of this package, or `hf:` and a folder or hub name, `google:` and a folder, or
            `keras_hub:` and the folder of a preset.
        strict: bool, whether a head that does not fit is an error, see `load_hugging_face`. Defaults to `True`.

    Returns:
        A `BertPretrainer` or fine-tuned model with its tokenizer.

    Raises:
        InputError: what the loader of that kind refuses.

    Example:
        ```python
        model = load_named("google:uncased_L-12_H-768_A-12")
        ```
    """
    kind, folder = split_name(name)
    if kind == "hf":
        from keras_mlm.interop.hugging_face import load_hugging_face

        return load_hugging_face(folder, strict=strict)
    if kind == "google":
        from keras_mlm.interop.google_bert import load_google_bert

        return load_google_bert(folder, strict=strict)
    if kind == "keras_hub":
        from keras_mlm.interop.keras_hub_preset import load_keras_hub_preset

        return load_keras_hub_preset(folder)
    from keras_mlm.model_folder import load_model

    return load_model(folder)


def load_named_tokenizer(name: str) -> "WordPieceTokenizer":
    """Return only the tokenizer of a name, without reading weights, see `load_named`."""
    kind, folder = split_name(name)
    if kind == "hf":
        from keras_mlm.interop.hugging_face import load_hugging_face_tokenizer

        return load_hugging_face_tokenizer(folder)
    if kind == "google":
        from keras_mlm.interop.google_bert import load_google_bert_tokenizer

        return load_google_bert_tokenizer(folder)
    if kind == "keras_hub":
        tokenizer = load_named(name).tokenizer
        assert tokenizer is not None
        return tokenizer
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    return WordPieceTokenizer.load(folder)
