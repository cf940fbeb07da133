"""Which signatures a model has: the one place that knows the kinds of models."""

from typing import Any

from keras_mlm.errors import InputError
from keras_mlm.export.classifier_on_device import ClassifierOnDevice
from keras_mlm.export.classifier_signatures import ClassifierSignatures
from keras_mlm.export.encoder_on_device import EncoderOnDevice
from keras_mlm.export.encoder_signatures import EncoderSignatures
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.pretrainer_on_device import PretrainerOnDevice
from keras_mlm.export.pretrainer_signatures import PretrainerSignatures
from keras_mlm.export.tagger_on_device import TaggerOnDevice
from keras_mlm.export.tagger_signatures import TaggerSignatures
from keras_mlm.model_folder import plain_twin

# On a server, and on a device.
_KINDS: dict[str, tuple[type[EncoderSignatures], type[EncoderOnDevice]]] = {
    "BertPretrainer": (PretrainerSignatures, PretrainerOnDevice),
    "BertTextClassifier": (ClassifierSignatures, ClassifierOnDevice),
    "BertTokenClassifier": (TaggerSignatures, TaggerOnDevice),
}


def on_server(model: Any, options: ExportOptions) -> EncoderSignatures:
    """Return what a SavedModel of a model can be asked, over a float32 copy of the model.

    Args:
        model: a model of this package with a tokenizer.
        options: ExportOptions.

    Returns:
        The signatures' object; `all()` lists them, the default one first.

    Raises:
        InputError: a size that the model does not have, a model without tokenizer, or of a kind that is not exported.
    """
    return _kind(model)[0](plain_twin(model), options)


def on_device(model: Any, options: ExportOptions) -> EncoderOnDevice:
    """Return what a TFLite or ONNX export of a model can be asked; arguments and errors as `on_server`."""
    return _kind(model)[1](plain_twin(model), options)


def _kind(model: Any) -> tuple[type[EncoderSignatures], type[EncoderOnDevice]]:
    name = type(model).__name__
    if name not in _KINDS:
        raise InputError(f"a {name} cannot be exported, only {', '.join(_KINDS)}")
    if model.tokenizer is None:
        raise InputError("a model without tokenizer cannot be exported: load it with load_model")
    return _KINDS[name]
