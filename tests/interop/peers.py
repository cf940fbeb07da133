"""BERTs of transformers on PyTorch, with random weights, as the tests of parity want them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from checkpoints import VOCABULARY
from keras import ops

from keras_mlm.interop.bert_tensors import slots
from keras_mlm.interop.hugging_face_tokenizer import write_tokenizer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

torch = pytest.importorskip("torch", reason="needs the extra test-slow")
transformers = pytest.importorskip("transformers", reason="needs the extra test-slow")

SIZES = {"tiny": (2, 128, 2), "wide": (3, 96, 4)}
CONFIG = {"vocab_size": len(VOCABULARY)}


def theirs(architecture: str, size: str = "tiny", **changes):
    """A BERT of theirs with random weights, all of them: norms and biases too."""
    layers, hidden, heads = SIZES[size]
    sizes = {
        "vocab_size": len(VOCABULARY),
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 40,
    }
    torch.manual_seed(7)
    model = getattr(transformers, architecture)(transformers.BertConfig(**{**sizes, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def write(model, folder) -> str:
    model.save_pretrained(folder)
    write_tokenizer(WordPieceTokenizer(VOCABULARY, normalization="bert"), str(folder), max_length=40)
    return str(folder)


def run(model, batch, **labels):
    inputs = {
        "input_ids": torch.tensor(batch["token_ids"], dtype=torch.long),
        "token_type_ids": torch.tensor(batch["segment_ids"], dtype=torch.long),
        "attention_mask": torch.tensor(batch["padding_mask"], dtype=torch.long),
    }
    return model(**inputs, output_hidden_states=True, **labels)


def assert_same_gradients(ours, model, tape, loss) -> None:
    """Every parameter of theirs has the gradient here that it has there after `backward()`."""
    variables = ours.trainable_variables
    gradients = dict(zip((v.path for v in variables), tape.gradient(loss, [v.value for v in variables]), strict=True))
    checked = 0
    for slot in slots(ours):
        gradient = ops.convert_to_tensor(tf.convert_to_tensor(gradients[slot.variable.path]))
        here = dataclasses.replace(slot, variable=gradient).value()
        there = model.get_parameter(slot.name).grad.numpy()
        np.testing.assert_allclose(here, there, rtol=0, atol=1e-4, err_msg=slot.name)
        checked += 1
    assert checked == len(list(model.parameters()))
