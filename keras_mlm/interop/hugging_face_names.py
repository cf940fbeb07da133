"""The spellings that tensors of Hugging Face's BERTs have had over the years, as one."""

import re
from collections.abc import Iterable

from keras_mlm.errors import InputError
from keras_mlm.interop.bert_tensors import CheckpointTensor

# Buffers that old versions saved with the weights; they hold 0, 1, 2 … and zeros.
_BUFFERS = ("bert.embeddings.position_ids", "bert.embeddings.token_type_ids")
_RENAMED = (
    (r"^(?=(embeddings|encoder|pooler)\.)", "bert."),  # a bare BertModel has no prefix
    (r"LayerNorm\.gamma$", "LayerNorm.weight"),
    (r"LayerNorm\.beta$", "LayerNorm.bias"),
    (r"^cls\.predictions\.decoder\.bias$", "cls.predictions.bias"),
)
# The bias of the decoder is what transformers adds; the other is a second name of it, or a leftover.
_BIASES = ("cls.predictions.decoder.bias", "cls.predictions.bias")


def canonical_names(tensors: Iterable[tuple[str, CheckpointTensor]], source: str) -> dict[str, CheckpointTensor]:
    """Return the tensors under the names of today's `BertForPreTraining`, without buffers.

    Args:
        tensors: iterable of the names in a checkpoint and their `CheckpointTensor`.
        source: str, what messages call the checkpoint.

    Returns:
        A dict of names to `CheckpointTensor`.

    Raises:
        InputError: two tensors of different values claim the same place.
    """
    listed = list(tensors)
    has_decoder_bias = any(name == _BIASES[0] for name, _ in listed)
    renamed: dict[str, CheckpointTensor] = {}
    for name, tensor in listed:
        if has_decoder_bias and name == _BIASES[1]:
            continue
        new = name
        for pattern, replacement in _RENAMED:
            new = re.sub(pattern, replacement, new)
        if new in _BUFFERS:
            continue
        if new in renamed:
            there = renamed[new]
            if there.shape != tensor.shape or (there.read() != tensor.read()).any():
                raise InputError(f"{source} holds {new} twice, under two names and with different values")
        renamed[new] = tensor
    return renamed
