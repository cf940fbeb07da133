"""A trained model as a folder: never half-written, and nothing foreign in it is followed."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_mlm.config import FORMAT_VERSION, BertConfig, dump_json
from keras_mlm.errors import InputError, RunError
from keras_mlm.model_card import classifier_card, model_card, tagger_card
from keras_mlm.settings import settings_difference
from keras_mlm.weights_file import check_weights_file

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.models.fine_tuned_model import FineTunedModel
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

CONFIG, WEIGHTS, METRICS, CARD = "config.json", "model.weights.h5", "metrics.json", "README.md"
_ENTRIES = {"format_version", "class", "model", "vocabulary_hash"}
# What each class has besides (its `head_config`), with the value that folders have from before there was the entry;
# `None` where there always was one.
_HEADS: dict[str, dict[str, Any]] = {
    "BertPretrainer": {},
    "BertTextClassifier": {
        "classes": None, "length": None, "long_text": "truncate", "pooling": "cls", "multi_label": False,
        "temperature": 1.0,
    },
    "BertTokenClassifier": {"classes": None, "length": None},
}  # fmt: skip
# What may change from one saving to the next: it is measured after training.
_MEASURED = ("temperature",)


def save_model(model: "BertPretrainer | FineTunedModel", folder: str, *, metrics: dict[str, Any] | None = None) -> None:
    """Write a model, its tokenizer, card and metrics into a folder that `load_model` reads.

    Every file is written aside and renamed, `config.json` last, so that an interruption or a full disk leaves what was
    there. Saving again replaces the weights of the same model; other files of the folder (runs, exports) stay.

    Args:
        model: BertPretrainer, BertTextClassifier or BertTokenClassifier with a tokenizer. Its weights are written, no
            state of an optimizer.
        folder: str, local or remote path of the model folder; made if absent.
        metrics: dict of str to plain values, added to what `metrics.json` holds. Defaults to `None`.

    Raises:
        InputError: the model has no tokenizer, or the folder holds a model of another architecture or vocabulary.

    Example:
        ```python
        save_model(model, "saved_models/news", metrics={"perplexity": 31.4})
        ```
    """
    if model.tokenizer is None:
        raise InputError("a model without tokenizer cannot be saved as a model folder: set model.tokenizer first")
    config = {
        "format_version": FORMAT_VERSION,
        "class": type(model).__name__,
        "model": model.config.to_dict(),
        "vocabulary_hash": model.tokenizer.vocabulary_hash,
        **_head(model),
    }
    if tf.io.gfile.exists(tf.io.gfile.join(folder, CONFIG)):
        there = _with_later_entries(_read_json(tf.io.gfile.join(folder, CONFIG)))
        difference = settings_difference(_unmeasured(there), _unmeasured(config))
        if difference:
            raise InputError(f"{folder} holds another model ({difference}): choose another folder")
    plain = plain_twin(model)
    merged = {**read_metrics(folder), "parameters": plain.count_params(), **(metrics or {})}
    with writing(folder) as aside:
        model.tokenizer.save(aside)
        plain.save_weights(tf.io.gfile.join(aside, WEIGHTS))
        _write(tf.io.gfile.join(aside, METRICS), dump_json(merged))
        _write(tf.io.gfile.join(aside, CARD), _card(folder, config, model.tokenizer, merged))
        _write(tf.io.gfile.join(aside, CONFIG), dump_json(config))


def load_pretrainer(folder: str) -> "BertPretrainer":
    """Return the `BertPretrainer` of a folder, as `load_model` does, and refuse models of other classes."""
    found = read_model_config(folder)["class"]
    if found != "BertPretrainer":
        raise InputError(f"{folder} holds a {found}; this needs a pre-trained model, as recipes/pretrain.py writes it")
    return load_model(folder)


def load_model(folder: str) -> Any:
    """Return the model of a folder, its weights loaded and its tokenizer attached.

    The model is rebuilt from this package's classes and the numbers in the folder: no pickle, no class names, paths or
    links in it are followed.

    Args:
        folder: str, local or remote path of a model folder.

    Returns:
        A `BertPretrainer`, `BertTextClassifier` or `BertTokenClassifier`, not compiled.

    Raises:
        InputError: a file is missing or damaged, the vocabulary is another one, or an entry is unknown.

    Example:
        ```python
        model = load_model("saved_models/news")
        model.fill_mask(["Paris is the [MASK] of France ."])
        ```
    """
    from keras_mlm.models.bert_pretrainer import BertPretrainer
    from keras_mlm.models.bert_text_classifier import BertTextClassifier
    from keras_mlm.models.bert_token_classifier import BertTokenClassifier
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    entries = read_model_config(folder)
    for name in (WEIGHTS, "vocab.txt", "tokenizer.json"):
        if not tf.io.gfile.exists(tf.io.gfile.join(folder, name)):
            raise InputError(f"{folder} is no complete model folder: {name} is missing")
    tokenizer = WordPieceTokenizer.load(folder)
    config = BertConfig.from_dict(entries["model"])
    if tokenizer.vocabulary_hash != entries["vocabulary_hash"]:
        raise InputError(f"{folder}/vocab.txt is not the vocabulary that the model was trained with: restore the file")
    if tokenizer.vocabulary_size != config.vocabulary_size:
        raise InputError(
            f"{folder}/vocab.txt has {tokenizer.vocabulary_size} tokens, the model has {config.vocabulary_size}"
        )
    with _local(tf.io.gfile.join(folder, WEIGHTS)) as path:
        check_weights_file(path)
        try:
            kinds: Any = (BertPretrainer, BertTextClassifier, BertTokenClassifier)
            kind = {cls.__name__: cls for cls in kinds}[entries["class"]]
            head = {name: entries[name] for name in _HEADS[entries["class"]]}
            model = kind(config, tokenizer=tokenizer, **head)
            model.load_weights(path)
        except InputError:
            raise
        except (ValueError, KeyError, OSError, TypeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"{folder}/{WEIGHTS} does not fit {folder}/{CONFIG}: {reason}") from error
    return model


def read_model_config(folder: str) -> dict[str, Any]:
    """Return the checked entries of a model folder's `config.json`. Raises `InputError` on anything unknown."""
    path = tf.io.gfile.join(folder, CONFIG)
    if not tf.io.gfile.exists(path):
        begun = tf.io.gfile.exists(tf.io.gfile.join(folder, "run", "run.json"))
        way_out = "; its training was not finished: the command that began it goes on with it" if begun else ""
        raise InputError(f"{folder} is no model folder: {CONFIG} is missing{way_out}")
    entries = _read_json(path)
    version = entries.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(f"{path} has format_version {version!r}, this release reads {FORMAT_VERSION}")
    named = entries.get("class", "BertPretrainer")
    if named not in list(_HEADS):
        raise InputError(f"{path} names the class {entries['class']!r}; only {' and '.join(_HEADS)} are built")
    entries = _with_later_entries(entries)
    known = _ENTRIES | set(_HEADS[named])
    if set(entries) != known:
        wrong = ", ".join(sorted(map(str, set(entries) ^ known)))
        raise InputError(f"{path} must have exactly the entries {', '.join(sorted(known))}; it differs in {wrong}")
    if not isinstance(entries.get("classes", []), list):
        raise InputError(f"{path}: 'classes' must be a list of names")
    if not isinstance(entries["model"], dict) or not isinstance(entries["vocabulary_hash"], str):
        raise InputError(f"{path}: 'model' must be an object and 'vocabulary_hash' a string")
    return entries


def write_metrics(folder: str, metrics: dict[str, Any]) -> dict[str, Any]:
    """Add figures to a model folder's `metrics.json` and to its card, and return all of them.

    Args:
        folder: str, a model folder.
        metrics: dict of str to plain values; they replace those of the same name.

    Returns:
        A dict of all figures that the folder now holds.
    """
    from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

    config = read_model_config(folder)
    merged = {**read_metrics(folder), **metrics}
    with writing(folder) as aside:
        _write(tf.io.gfile.join(aside, METRICS), dump_json(merged))
        _write(tf.io.gfile.join(aside, CARD), _card(folder, config, WordPieceTokenizer.load(folder), merged))
    return merged


def plain_twin(model: Any) -> Any:
    """Return a float32 copy of the model's weights and tokenizer, without optimizer, compilation or strategy."""
    model.get_config()  # refuses a model that is not built from its config
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        twin = type(model)(model.config, tokenizer=model.tokenizer, **_head(model))
    finally:
        keras.config.set_dtype_policy(policy)
    twin.set_weights(model.get_weights())
    return twin


def _head(model: Any) -> dict[str, Any]:
    return model.head_config() if hasattr(model, "head_config") else {}


def _with_later_entries(entries: dict[str, Any]) -> dict[str, Any]:
    later = {name: value for name, value in _HEADS.get(str(entries.get("class")), {}).items() if value is not None}
    return {**later, **entries}


def _unmeasured(entries: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if name not in _MEASURED}


def _card(folder: str, config: dict[str, Any], tokenizer: "WordPieceTokenizer", metrics: dict[str, Any]) -> str:
    run = tf.io.gfile.join(folder, "run", "run.json")
    fine_tuned = "classes" in config
    stored = _read_json(run) if tf.io.gfile.exists(run) else {}
    entries = ("finetuning",) if fine_tuned else ("pretraining", "distillation")
    training = {name: value for entry in entries for name, value in (stored.get(entry) or {}).items()}
    name, model = Path(folder).absolute().name, BertConfig.from_dict(config["model"])
    if fine_tuned:
        head = {name: config[name] for name in _HEADS[config["class"]]}
        if config["class"] == "BertTokenClassifier":
            return tagger_card(name, model, tokenizer, **head, training=training, metrics=metrics)
        return classifier_card(name, model, tokenizer, head, training=training, metrics=metrics)
    return model_card(name, model, tokenizer, training=training, metrics=metrics)


def read_metrics(folder: str) -> dict[str, Any]:
    """Return the figures of a model folder's `metrics.json`; an empty dict where there is none."""
    path = tf.io.gfile.join(folder, METRICS)
    return _read_json(path) if tf.io.gfile.exists(path) else {}


def _read_json(path: str) -> dict[str, Any]:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            data = json.loads(file.read())
    except ValueError as error:
        raise InputError(f"{path} is no valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a JSON object")
    return data


def _write(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(text.encode())


@contextlib.contextmanager
def writing(folder: str) -> Iterator[str]:
    """Give a local folder to write into, and move its files into the model folder when all are written."""
    aside = tf.io.gfile.join(folder, ".writing")
    try:
        with tempfile.TemporaryDirectory() as local:
            yield local
            if tf.io.gfile.exists(aside):
                tf.io.gfile.rmtree(aside)
            tf.io.gfile.makedirs(aside)
            names = sorted((path.name for path in Path(local).iterdir()), key=lambda name: name == CONFIG)
            for name in names:
                tf.io.gfile.copy(tf.io.gfile.join(local, name), tf.io.gfile.join(aside, name))
        for name in names:
            tf.io.gfile.rename(tf.io.gfile.join(aside, name), tf.io.gfile.join(folder, name), overwrite=True)
    except (OSError, tf.errors.OpError) as error:
        raise RunError(f"{folder} could not be written, its files are still those from before: {error}") from error
    finally:
        if tf.io.gfile.exists(aside):
            tf.io.gfile.rmtree(aside)


@contextlib.contextmanager
def _local(path: str) -> Iterator[str]:
    """Give a local path to a file that may be remote."""
    if Path(path).exists():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = tf.io.gfile.join(folder, Path(path).name)
        tf.io.gfile.copy(path, copy)
        yield copy
