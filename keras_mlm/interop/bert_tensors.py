"""Where every tensor of a BERT checkpoint belongs in our model: the one table that every format is translated to."""

import dataclasses
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.fine_tuned_model import FineTunedModel

logger = logging.getLogger(__name__)

ENCODER, POOLER, MASKED_LM, NEXT_SENTENCE = "encoder", "pooler", "masked-LM head", "next-sentence head"
CLASSIFIER = "classifier"
# By the beginnings of Hugging Face's names, the longest first. Whatever is none of these belongs to another head.
_PARTS = {
    "bert.pooler.": POOLER,
    "bert.": ENCODER,
    "cls.predictions.": MASKED_LM,
    "cls.seq_relationship.": NEXT_SENTENCE,
    "classifier.": CLASSIFIER,
}
DECODER, WORD_EMBEDDINGS = "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"


@dataclasses.dataclass(frozen=True)
class CheckpointTensor:
    """A tensor of a checkpoint that is read only when it is known to fit.

    Args:
        shape: tuple of int, in the layout of PyTorch (a dense kernel is `(out, in)`).
        read: callable that returns the values as a float array of that shape.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for a tensor: a variable of our model, or the query's, key's or value's third of one.

    Args:
        name: str, Hugging Face's name.
        variable: the Keras variable.
        transposed: bool, whether a dense kernel, which PyTorch keeps the other way round.
        third: int, 0, 1 or 2, or `None` for the whole variable.
    """

    name: str
    variable: Any
    transposed: bool = False
    third: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor in the checkpoint."""
        shape = tuple(self.variable.shape)
        if self.third is not None:
            shape = (*shape[:-1], shape[-1] // 3)
        return shape[::-1] if self.transposed else shape

    def value(self) -> np.ndarray:
        """The tensor as the checkpoint would hold it, a float32 array of `shape`."""
        value = np.asarray(ops.convert_to_numpy(self.variable), "float32")
        if self.third is not None:
            value = np.split(value, 3, axis=-1)[self.third]
        return np.ascontiguousarray(value.T if self.transposed else value)


def slots(model: BertPretrainer | FineTunedModel) -> Iterator[Slot]:
    """Yield a slot for every tensor that the model has. A further head is further lines here and in `_PARTS`."""
    backbone = model.backbone
    embeddings = backbone.embeddings
    assert embeddings.position_embedding is not None  # see `check_classic`
    yield Slot(WORD_EMBEDDINGS, embeddings.token_embedding.embeddings)
    yield Slot("bert.embeddings.position_embeddings.weight", embeddings.position_embedding.embeddings)
    yield Slot("bert.embeddings.token_type_embeddings.weight", embeddings.segment_embedding.embeddings)
    yield from _norm("bert.embeddings.LayerNorm", embeddings.norm)
    for index, block in enumerate(backbone.encoder_blocks):
        layer = f"bert.encoder.layer.{index}"
        fused = block.attention.query_key_value
        for third, name in enumerate(("query", "key", "value")):
            yield Slot(f"{layer}.attention.self.{name}.weight", fused.kernel, transposed=True, third=third)
            yield Slot(f"{layer}.attention.self.{name}.bias", fused.bias, third=third)
        yield from _dense(f"{layer}.attention.output.dense", block.attention.output_dense)
        yield from _norm(f"{layer}.attention.output.LayerNorm", block.attention_norm)
        yield from _dense(f"{layer}.intermediate.dense", block.intermediate_dense)
        yield from _dense(f"{layer}.output.dense", block.output_dense)
        yield from _norm(f"{layer}.output.LayerNorm", block.output_norm)
    if backbone.pooled_dense is not None:
        yield from _dense("bert.pooler.dense", backbone.pooled_dense)
    if isinstance(model, FineTunedModel):
        yield from _dense("classifier", model.dense)
        return
    head = model.masked_lm_head
    yield from _dense("cls.predictions.transform.dense", head.dense)
    yield from _norm("cls.predictions.transform.LayerNorm", head.norm)
    yield Slot("cls.predictions.bias", head.output_bias)
    if head.output_embeddings is not None:
        yield Slot(DECODER, head.output_embeddings)
    if model.next_sentence_head is not None:
        yield from _dense("cls.seq_relationship", model.next_sentence_head.dense)


def _dense(name: str, layer: Any) -> Iterator[Slot]:
    yield Slot(f"{name}.weight", layer.kernel, transposed=True)
    yield Slot(f"{name}.bias", layer.bias)


def _norm(name: str, layer: Any) -> Iterator[Slot]:
    yield Slot(f"{name}.weight", layer.gamma)
    yield Slot(f"{name}.bias", layer.beta)


def part_of(name: str) -> str:
    """Return the part of a BERT that a tensor belongs to; that of an unknown head is its first name."""
    return next((part for start, part in _PARTS.items() if name.startswith(start)), name.split(".")[0])


def is_tied(tensors: Mapping[str, CheckpointTensor]) -> bool:
    """Return whether the output matrix of the masked-LM head is the token embedding: absent, or equal to it."""
    if DECODER not in tensors or WORD_EMBEDDINGS not in tensors:
        return True
    decoder, embeddings = tensors[DECODER], tensors[WORD_EMBEDDINGS]
    return decoder.shape == embeddings.shape and np.array_equal(decoder.read(), embeddings.read())


def check_classic(config: BertConfig) -> None:
    """Refuse a model that is not the paper's BERT, which is the only one that other libraries have."""
    classic = {"norm": "post", "position": "learned", "gated": False, "biases": True}
    other = [f"{name} {getattr(config, name)}" for name, value in classic.items() if getattr(config, name) != value]
    if other:
        raise InputError(
            f"a model with {', '.join(other)} is no BERT that others know: train one with --style classic to "
            "exchange it"
        )


def check_sizes(config: BertConfig, tensors: Mapping[str, CheckpointTensor], source: str) -> None:
    """Refuse a config that asks for far more than the checkpoint holds, before a model of that size is made."""
    hidden, inner = config.hidden_dim, config.intermediate_dim
    rows = config.vocabulary_size + config.max_sequence_length + config.num_segments
    asked = rows * hidden + config.num_layers * (4 * hidden * hidden + 2 * hidden * inner)
    held = sum(math.prod(tensor.shape) for tensor in tensors.values())
    if asked > 10 * held + 1_000_000:
        raise InputError(f"{source}: the config asks for {asked:,} parameters, the weights hold {held:,}")


def fill(
    model: BertPretrainer | FineTunedModel,
    tensors: Mapping[str, CheckpointTensor],
    source: str,
    *,
    expected: Iterable[str] = (),
    strict: bool = True,
) -> None:
    """Set every variable of a model from a checkpoint, and account for every tensor of both.

    The encoder must be complete. A head that the checkpoint has nothing of starts anew, unless it is expected; it is
    named in a warning.

    Args:
        model: BertPretrainer or fine-tuned model of the checkpoint's sizes.
        tensors: mapping of Hugging Face's names to `CheckpointTensor`.
        source: str, what messages call the checkpoint.
        expected: iterable of str, parts besides the encoder that the checkpoint's class has. Defaults to none.
        strict: bool, whether a head that does not fit is an error; otherwise it is left out, and a warning says so.
            Defaults to `True`.

    Raises:
        InputError: tensors are missing, unexpected or have another shape: each is listed with its shape.
    """
    places = {slot.name: slot for slot in slots(model)}
    if DECODER in tensors and DECODER not in places:  # tied: a copy of the embedding
        tensors = {name: tensor for name, tensor in tensors.items() if name != DECODER}
    present, expected = {part_of(name) for name in tensors}, {ENCODER, *expected}
    missing = {name: slot.shape for name, slot in places.items() if name not in tensors}
    unexpected = {name: tensor.shape for name, tensor in tensors.items() if name not in places}
    misshapen = {
        name: (tensors[name].shape, slot.shape)
        for name, slot in places.items()
        if name in tensors and tensors[name].shape != slot.shape
    }
    new = {part_of(name) for name in missing} - present - expected
    partial = {name: shape for name, shape in missing.items() if part_of(name) not in new}
    problems = [
        f"{what} {_listed(found)}"
        for what, found in (
            ("missing", partial),
            ("unexpected", unexpected),
            ("of another shape", {name: f"{there}, not {here}" for name, (there, here) in misshapen.items()}),
        )
        if found
    ]
    if problems:
        unfit = any(part_of(name) == ENCODER for name in (*partial, *unexpected, *misshapen))
        if strict or unfit:
            way_out = "" if unfit else "; strict=False leaves out what does not fit"
            raise InputError(f"{source} does not fit the model: {'; '.join(problems)}{way_out}")
        logger.warning("%s: left out, as strict=False allows: %s", source, "; ".join(problems))
    if new:
        logger.warning("%s has no %s: new ones, to be trained", source, " and no ".join(sorted(new)))
    _assign({name: slot for name, slot in places.items() if name in tensors and name not in misshapen}, tensors, source)


def _assign(places: Mapping[str, Slot], tensors: Mapping[str, CheckpointTensor], source: str) -> None:
    thirds: dict[int, dict[int, np.ndarray]] = {}
    for name, slot in places.items():
        value = np.asarray(tensors[name].read(), "float32")
        if not np.isfinite(value).all():
            raise InputError(f"{source} holds a NaN or an infinity in {name}: it is damaged, or its training diverged")
        value = value.T if slot.transposed else value
        if slot.third is not None:
            waiting = thirds.setdefault(id(slot.variable), {})
            waiting[slot.third] = value
            if len(waiting) < 3:
                continue
            value = np.concatenate([waiting[third] for third in range(3)], axis=-1)
            del thirds[id(slot.variable)]
        slot.variable.assign(value)


def _listed(found: Mapping[str, Any]) -> str:
    """Names with their shapes, one entry for all layers that have the same."""
    layers: dict[tuple[str, str], list[int]] = {}
    for name, shape in found.items():
        number = re.search(r"(?<=\.layer\.)\d+(?=\.)", name)
        general = name if number is None else f"{name[: number.start()]}{{}}{name[number.end() :]}"
        layers.setdefault((general, str(shape)), []).extend([] if number is None else [int(number.group())])
    return ", ".join(f"{name.replace('{}', _ranges(numbers))} {shape}" for (name, shape), numbers in layers.items())


def _ranges(numbers: list[int]) -> str:
    """`3` for one number, `{0-11}` for a run, `{0,2,5}` for others."""
    ordered = sorted(numbers)
    if len(ordered) < 2:
        return "".join(map(str, ordered))
    if ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{{{ordered[0]}-{ordered[-1]}}}"
    return f"{{{','.join(map(str, ordered))}}}"
