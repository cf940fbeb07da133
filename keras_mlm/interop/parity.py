"""How far two models are from each other on the same rows."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.models.fine_tuned_model import FineTunedModel

ROWS, LENGTH = 8, 64
ENCODER_OUTPUTS = ("sequence_output", "pooled_output")


def random_rows(model: BertPretrainer | FineTunedModel) -> dict[str, np.ndarray]:
    """Return padded rows of random tokens in two segments, with every position to predict.

    Args:
        model: BertPretrainer or fine-tuned model, whose sizes count.

    Returns:
        Dict of `token_ids`, `segment_ids`, `padding_mask` and `mask_positions`, `(8, at most 64)`.
    """
    config, generator = model.config, np.random.default_rng(0)
    length = min(LENGTH, config.max_sequence_length)
    ends = generator.integers(2, length + 1, (ROWS, 1))
    padding_mask = np.arange(length) < np.maximum(ends, (np.arange(ROWS) == 0)[:, None] * length)
    segments = (np.arange(length) > ends // 2) & padding_mask & (config.num_segments > 1)
    return {
        "token_ids": np.where(padding_mask, generator.integers(1, config.vocabulary_size, (ROWS, length)), 0).astype(
            "int32"
        ),
        "segment_ids": segments.astype("int32"),
        "padding_mask": padding_mask,
        "mask_positions": np.tile(np.arange(length, dtype="int32"), (ROWS, 1)),
    }


def compare(model: BertPretrainer | FineTunedModel, other: BertPretrainer | FineTunedModel) -> dict[str, float | None]:
    """Return the largest absolute difference of each output of two models.

    Args:
        model: BertPretrainer or fine-tuned model.
        other: the same, of the same sizes.

    Returns:
        Dict of `sequence_output`, `pooled_output`, and `masked_lm` and `next_sentence` or, of a fine-tuned model,
        `logits`, to a float, or to `None` where one model does not have it.

    Example:
        ```python
        compare(load_model("saved_models/news"), load_hugging_face("news-bert"))  # {"sequence_output": 0.0, ...}
        ```
    """
    rows = random_rows(model)
    here, there = _outputs(model, rows), _outputs(other, rows)
    heads = ("masked_lm", "next_sentence") if isinstance(model, BertPretrainer) else ("logits",)
    names = (*ENCODER_OUTPUTS, *heads)
    return {name: _difference(here.get(name), there.get(name), rows["padding_mask"]) for name in names}


def beside_transformers(model: BertPretrainer | FineTunedModel, folder: str) -> dict[str, float | None] | None:
    """Return the same for a model and what transformers makes of a folder.

    `None` where it or PyTorch is absent, or the folder holds TensorFlow's weights only, which it no longer reads.
    """
    if not any(Path(folder).glob("*.safetensors")) or not all(map(find_spec, ("transformers", "torch"))):
        return None
    import torch
    import transformers

    transformers.logging.set_verbosity_error()  # which heads the class does not have is said here
    transformers.logging.disable_progress_bar()
    rows = random_rows(model)
    config = transformers.AutoConfig.from_pretrained(folder)
    name = (config.architectures or ["BertModel"])[0]
    theirs = getattr(transformers, name).from_pretrained(folder).eval()
    with torch.no_grad():
        outputs = theirs(
            input_ids=torch.tensor(rows["token_ids"], dtype=torch.long),
            token_type_ids=torch.tensor(rows["segment_ids"], dtype=torch.long),
            attention_mask=torch.tensor(rows["padding_mask"], dtype=torch.long),
            output_hidden_states=True,
        )
    there = {
        "sequence_output": outputs.hidden_states[-1],
        "pooled_output": outputs.get("pooler_output"),
        "masked_lm": outputs.get("logits" if name == "BertForMaskedLM" else "prediction_logits"),
        "next_sentence": outputs.get("seq_relationship_logits"),
        "logits": outputs.get("logits"),
    }
    here = _outputs(model, rows)
    return {name: _difference(here.get(name), values, rows["padding_mask"]) for name, values in there.items()}


def _outputs(model: BertPretrainer | FineTunedModel, rows: dict[str, np.ndarray]) -> dict[str, Any]:
    answers = model(rows, training=False)
    if isinstance(model, FineTunedModel):
        # What probabilities are made of.
        answers = {"logits": answers / model.temperature if isinstance(model, BertTextClassifier) else answers}
    return {**model.backbone(rows, training=False), **answers}


def _difference(here: Any, there: Any, padding_mask: np.ndarray) -> float | None:
    if here is None or there is None:
        return None
    here, there = ops.convert_to_numpy(here), np.asarray(there)
    if here.shape != there.shape:
        return None
    difference = np.abs(here - there)
    return float((difference[padding_mask] if difference.ndim == 3 else difference).max())
