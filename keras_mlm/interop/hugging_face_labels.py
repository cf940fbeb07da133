"""Names of classes in Hugging Face's `config.json` and in our fine-tuned models, either from the other."""

from typing import Any

from keras_mlm.errors import InputError
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.models.fine_tuned_model import FineTunedModel

# Their classes whose heads ours have, too.
FINE_TUNED: dict[str, type[FineTunedModel]] = {
    "BertForSequenceClassification": BertTextClassifier,
    "BertForTokenClassification": BertTokenClassifier,
}

_SINGLE, _MULTI = "single_label_classification", "multi_label_classification"
# Far above any real number of classes, far below what would fill the memory.
_MAX_CLASSES = 1_000_000


def read_labels(data: dict[str, Any], architecture: str) -> dict[str, Any]:
    """Return what a fine-tuned model of ours takes besides sizes and tokenizer.

    Args:
        data: dict, what their `config.json` holds.
        architecture: str, one of `FINE_TUNED`.

    Returns:
        Dict of arguments: `classes`, in the order of the logits, and of a text classifier `pooling` and `multi_label`.

    Raises:
        InputError: the classes are not named one by one, or it is no classification.
    """
    classes = _class_names(data)
    if len(classes) < 2:
        raise InputError("one class only, as a regression has: this package has no such head")
    if FINE_TUNED[architecture] is not BertTextClassifier:
        return {"classes": classes}
    problem = data.get("problem_type")
    if problem not in (None, _SINGLE, _MULTI):
        raise InputError(f"problem_type is {problem!r}; known are {_SINGLE} and {_MULTI}")
    return {"classes": classes, "pooling": "cls", "multi_label": problem == _MULTI}


def _class_names(data: dict[str, Any]) -> list[str]:
    named = data.get("id2label")
    if named is None:
        count = data.get("num_labels", 2)  # which transformers takes where nothing is said
        if not isinstance(count, int) or not 0 < count <= _MAX_CLASSES:
            raise InputError(f"num_labels is {count!r}, where the number of classes belongs")
        return [f"LABEL_{number}" for number in range(count)]
    if not isinstance(named, dict) or not named or set(named) != {str(number) for number in range(len(named))}:
        raise InputError("id2label does not name the classes 0, 1, 2 … one by one")
    names = [named[str(number)] for number in range(len(named))]
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(f"id2label has {name!r}, where the name of a class belongs")
    return names


def write_labels(model: FineTunedModel) -> dict[str, Any]:
    """Return the entries of their `config.json` that name the classes of a model."""
    entries: dict[str, Any] = {
        "id2label": {str(number): name for number, name in enumerate(model.classes)},
        "label2id": {name: number for number, name in enumerate(model.classes)},
    }
    if isinstance(model, BertTextClassifier):
        entries["problem_type"] = _MULTI if model.multi_label else _SINGLE
    return entries
