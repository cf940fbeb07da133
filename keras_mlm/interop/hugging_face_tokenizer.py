"""Hugging Face's tokenizer files and ours, either from the other."""

import logging
from typing import Any

from keras_mlm.config import dump_json
from keras_mlm.errors import InputError
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.tokenizers.normalization import strips_accents
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS, read_vocabulary, write_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

logger = logging.getLogger(__name__)

VOCABULARY, TOKENIZER, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
_SPECIAL = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL_TOKENS, strict=True))
# What transformers leaves alone and only this package reads: the normalisation that a model was trained with.
_NORMALIZATION = "keras_mlm_normalization"
_BERTS = ("BertTokenizer", "BertTokenizerFast")
_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")  # whose tokenizer.json says everything


def read_tokenizer(folder: CheckpointFolder) -> WordPieceTokenizer:
    """Return the tokenizer of `vocab.txt` or `tokenizer.json`, with `normalization="bert"` and the same tokens.

    Case and accents are those of `tokenizer_config.json` where it states `do_lower_case`, as in transformers; else
    those of `tokenizer.json`; else BERT's, lower case without accents. A tokenizer of this package that was written
    there has the normalisation that it had.

    Args:
        folder: CheckpointFolder.

    Returns:
        A `WordPieceTokenizer`.

    Raises:
        InputError: there is no vocabulary, there are two, or it is used in a way that would give other tokens here.
    """
    settings = folder.read_json(SETTINGS) if SETTINGS in folder else {}
    _check_settings(settings, f"{folder}/{SETTINGS}")
    normalization = settings.get(_NORMALIZATION, "bert")
    vocabulary, normalizer = _read_tokenizer_json(folder, normalization) if TOKENIZER in folder else (None, {})
    if VOCABULARY in folder:
        listed = read_vocabulary(str(folder.text_file(VOCABULARY)))
        if vocabulary is not None and vocabulary != listed and vocabulary[: len(listed)] != listed:
            raise InputError(f"{folder} has other tokens in {TOKENIZER} than in {VOCABULARY}: remove the wrong file")
        vocabulary = vocabulary or listed
    if vocabulary is None:
        raise InputError(f"{folder} holds neither {VOCABULARY} nor {TOKENIZER}: the model's vocabulary is missing")
    if normalization != "bert":
        lowercase, accents, ideographs = settings.get("do_lower_case"), None, True
    elif "do_lower_case" in settings and settings.get("tokenizer_class") not in _GENERIC:
        lowercase, accents = settings["do_lower_case"], settings.get("strip_accents")
        ideographs = settings.get("tokenize_chinese_chars", True)
    else:
        lowercase, accents = normalizer.get("lowercase", True), normalizer.get("strip_accents")
        ideographs = normalizer.get("handle_chinese_chars", True)
    if not isinstance(lowercase, bool) or not (accents is None or isinstance(accents, bool)):
        raise InputError(f"{folder}: lower case {lowercase!r} and strip_accents {accents!r} must be true or false")
    if ideographs is not True:
        raise InputError(
            f"{folder} does not set Chinese characters apart (tokenize_chinese_chars {ideographs!r}), which the "
            "tokenizer of this package always does: its tokens would be others"
        )
    try:
        return WordPieceTokenizer(vocabulary, normalization=normalization, lowercase=lowercase, strip_accents=accents)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def read_row_length(folder: CheckpointFolder, positions: int) -> int:
    """Return the longest row in tokens that `tokenizer_config.json` states, at most the positions of the model."""
    stated = (folder.read_json(SETTINGS) if SETTINGS in folder else {}).get("model_max_length")
    # transformers writes 10³⁰ where there is none, and a few tokens would hold no text.
    return min(stated, positions) if isinstance(stated, int) and stated >= 8 else positions


def _check_settings(settings: dict[str, Any], source: str) -> None:
    name = settings.get("tokenizer_class")
    if name is not None and name not in (*_BERTS, *_GENERIC):
        raise InputError(f"{source} names the tokenizer {name!r}; only BERT's WordPiece ({_BERTS[0]}) is read")
    if settings.get("do_basic_tokenize", True) is not True:
        raise InputError(f"{source} has do_basic_tokenize false: this package always splits words first")
    for entry, expected in _SPECIAL.items():
        token = settings.get(entry, expected)
        token = token.get("content") if isinstance(token, dict) else token
        if token not in (expected, None):
            raise InputError(f"{source} has the {entry} {token!r}; this package knows {expected} only")


def _read_tokenizer_json(folder: CheckpointFolder, normalization: Any) -> tuple[list[str], dict[str, Any]]:
    """The tokens in the order of their ids, and the entries of the normaliser."""
    source, data = f"{folder}/{TOKENIZER}", folder.read_json(TOKENIZER)
    if data.get("class") == "WordPieceTokenizer":
        raise InputError(f"{folder} is a model folder of this package: load it with load_model")
    model = data.get("model")
    if not isinstance(model, dict) or model.get("type", "WordPiece") != "WordPiece":
        raise InputError(f"{source} is no WordPiece: {model.get('type') if isinstance(model, dict) else model!r}")
    expected = {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "unk_token": "[UNK]"}
    for entry, value in expected.items():
        if model.get(entry, value) != value:
            raise InputError(f"{source} has {entry} {model[entry]!r}; this package knows {value!r} only")
    if normalization == "fast" and isinstance(data.get("normalizer"), dict):
        parts = data["normalizer"].get("normalizers")
        if isinstance(parts, list) and parts[:-1] == [{"type": "NFKC"}]:  # as written below
            data["normalizer"] = parts[-1]
    for entry, kind in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        found = data.get(entry)
        if not isinstance(found, dict) or found.get("type") != kind:
            raise InputError(f"{source} has another {entry} than {kind}: its tokens would be others here")
    if data["normalizer"].get("clean_text", True) is not True:
        raise InputError(f"{source} keeps control characters (clean_text false): its tokens would be others here")
    ids = dict(model["vocab"]) if isinstance(model.get("vocab"), dict) else {}
    added = data.get("added_tokens") or []
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and isinstance(token.get("content"), str):
            ids.setdefault(token["content"], token.get("id"))
    ordered = sorted(ids, key=lambda token: (not isinstance(ids[token], int), ids[token]))
    if not ids or [ids[token] for token in ordered] != list(range(len(ids))):
        raise InputError(f"{source}: the ids of the {len(ids)} tokens are not 0 to {len(ids) - 1}, one each")
    foreign = [token["content"] for token in added if token["content"] not in SPECIAL_TOKENS]
    if foreign:
        logger.warning("%s: added tokens are words like others here: %s", source, ", ".join(foreign[:10]))
    return ordered, data["normalizer"]


def write_tokenizer(tokenizer: WordPieceTokenizer, folder: str, *, max_length: int) -> None:
    """Write the files that `transformers.AutoTokenizer` reads into a folder.

    Args:
        tokenizer: WordPieceTokenizer. Where its normalisation is "fast", the written one folds the same characters
            first, but a few rare ones differ; `read_tokenizer` gives the "fast" one back.
        folder: str, a local folder that exists.
        max_length: int, the longest row in tokens.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    exact = tokenizer.normalization == "bert"
    strips = strips_accents(tokenizer.normalization, tokenizer.lowercase, tokenizer.strip_accents)
    ids = {token: index for index, token in enumerate(tokenizer.vocabulary)}
    theirs = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    bert = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=tokenizer.strip_accents if exact else strips,
        lowercase=tokenizer.lowercase,
    )
    folds = not exact and tokenizer.lowercase  # compatibility forms, which "fast" folds with the case
    theirs.normalizer = normalizers.Sequence([normalizers.NFKC(), bert]) if folds else bert
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    theirs.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", tokenizer.cls_token_id), ("[SEP]", tokenizer.sep_token_id)],
    )
    theirs.decoder = decoders.WordPiece(prefix="##")
    theirs.add_special_tokens(list(SPECIAL_TOKENS))
    theirs.save(f"{folder}/{TOKENIZER}")
    settings = {
        # A BertTokenizer makes its normaliser anew from these settings; one that folds more must be taken as it is.
        "tokenizer_class": "PreTrainedTokenizerFast" if folds else "BertTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents if exact else strips,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **_SPECIAL,
        **({} if exact else {_NORMALIZATION: tokenizer.normalization}),
    }
    write_vocabulary(tokenizer.vocabulary, f"{folder}/{VOCABULARY}")
    for name, entries in ((SETTINGS, settings), (SPECIAL_TOKENS_MAP, _SPECIAL)):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(dump_json(entries))
