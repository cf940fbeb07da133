"""Which signatures a model has: the one place that knows the kinds of models."""

from typing import TYPE_CHECKING

from keras_mlm.errors import InputError
from keras_mlm.export.pretrainer_on_device import PretrainerOnDevice
from keras_mlm.export.pretrainer_signatures import PretrainerSignatures
from keras_mlm.export.signature import Signature
from keras_mlm.model_folder import plain_twin

if TYPE_CHECKING:
    from keras_mlm.models.bert_pretrainer import BertPretrainer

# On a server, and on a device.
_KINDS = {"BertPretrainer": (PretrainerSignatures, PretrainerOnDevice)}


def signatures_of(model: "BertPretrainer", *, length: int, top_k: int, mask_slots: int) -> list[Signature]:
    """Return what an export of a model can be asked, over a float32 copy of the model.

    Args:
        model: BertPretrainer with a tokenizer.
        length: int, the longest row in tokens, special tokens included.
        top_k: int, candidates a mask.
        mask_slots: int, masks a text that are filled.

    Returns:
        A list of `Signature`, the default one first.

    Raises:
        InputError: a size that the model does not have, or a model without tokenizer.
    """
    kind = _kind(model)[0]
    return kind(_checked(model, length, top_k, mask_slots), length=length, top_k=top_k, mask_slots=mask_slots).all()


def on_device(model: "BertPretrainer", *, length: int, top_k: int, mask_slots: int) -> PretrainerOnDevice:
    """Return what a TFLite or ONNX export of a model can be asked; arguments and errors as `signatures_of`."""
    kind = _kind(model)[1]
    return kind(_checked(model, length, top_k, mask_slots), length=length, top_k=top_k, mask_slots=mask_slots)


def _kind(model: "BertPretrainer") -> tuple[type[PretrainerSignatures], type[PretrainerOnDevice]]:
    name = type(model).__name__
    if name not in _KINDS:
        raise InputError(f"a {name} cannot be exported yet, only {', '.join(_KINDS)}")
    return _KINDS[name]


def _checked(model: "BertPretrainer", length: int, top_k: int, mask_slots: int) -> "BertPretrainer":
    if model.tokenizer is None:
        raise InputError("a model without tokenizer cannot be exported: load it with load_model")
    if not 3 <= length <= model.config.max_sequence_length:
        raise InputError(f"length must be between 3 and the model's {model.config.max_sequence_length}, not {length}")
    if not 1 <= top_k <= model.config.vocabulary_size:
        raise InputError(f"top_k must be between 1 and {model.config.vocabulary_size}, not {top_k}")
    if mask_slots < 1:
        raise InputError(f"mask_slots must be at least 1, not {mask_slots}")
    return plain_twin(model)
