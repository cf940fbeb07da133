from typing import Any

import keras
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.layers.modeling.states_at import states_at

INPUTS = ("token_ids", "segment_ids", "padding_mask")


class BackboneAdapter(keras.Model):
    """Gives an encoder of KerasHub the call and the outputs of `BertBackbone`, so that `BertPretrainer` can train it.

    Args:
        backbone: `keras.Model` in the style of `keras_hub.models.BertBackbone`: it takes a dict of `token_ids`,
            `padding_mask` and maybe `segment_ids`, returns the hidden states, or a dict with `sequence_output` and
            maybe `pooled_output`, and has `token_embedding`, `vocabulary_size` and `hidden_dim`.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Raises:
        InputError: the backbone is of another kind; the message says what it lacks.

    Example:
        ```python
        model = BertPretrainer(backbone=keras_hub.models.BertBackbone.from_preset("bert_base_en_uncased"))
        ```
    """

    def __init__(self, backbone: Any, **kwargs: Any) -> None:
        super().__init__(**{"name": "backbone", **kwargs})
        name = type(backbone).__name__
        embeddings = getattr(getattr(backbone, "token_embedding", None), "embeddings", None)
        lacking = [entry for entry in ("vocabulary_size", "hidden_dim") if not hasattr(backbone, entry)]
        if embeddings is None or lacking:
            raise InputError(f"a {name} is no BERT-like backbone: it has no {', '.join(lacking) or 'token_embedding'}")
        if tuple(embeddings.shape) != (backbone.vocabulary_size, backbone.hidden_dim):
            raise InputError(
                f"the token embedding of the {name} has the shape {tuple(embeddings.shape)}, and the masked-LM head "
                f"needs (vocabulary, hidden), {(backbone.vocabulary_size, backbone.hidden_dim)}"
            )
        self.backbone = backbone
        taken = backbone.input if isinstance(getattr(backbone, "input", None), dict) else dict.fromkeys(INPUTS)
        if not {"token_ids", "padding_mask"} <= set(taken) <= set(INPUTS):
            raise InputError(f"a {name} takes {', '.join(taken)}, where {', '.join(INPUTS)} are given")
        self.taken = sorted(taken)
        # One row tells whether there is a pooler.
        self.config = self._config(backbone, "pooled_output" in self({"token_ids": ops.zeros((1, 2), "int32")}))

    @staticmethod
    def _config(backbone: Any, next_sentence: bool) -> BertConfig:
        sizes = {name: getattr(backbone, name) for name in ("vocabulary_size", "hidden_dim")}
        for name in ("num_layers", "num_heads", "intermediate_dim", "max_sequence_length", "num_segments", "dropout"):
            if hasattr(backbone, name):
                sizes[name] = getattr(backbone, name)
        # The approximation is what KerasHub's encoders and masked-LM head compute.
        return BertConfig(**sizes, next_sentence=next_sentence, activation="gelu_tanh")

    @property
    def token_embeddings(self) -> Any:
        """The matrix of token embeddings, `(vocabulary_size, hidden_dim)`."""
        return self.backbone.token_embedding.embeddings

    def call(
        self, inputs: dict[str, Any], training: bool | None = None, output_positions: Any = None
    ) -> dict[str, Any]:
        """Return `sequence_output`, of the positions that are wanted, and, where there is a pooler, `pooled_output`."""
        if "sequence_ids" in inputs:
            raise InputError("another library's backbone lets the texts of a packed row see each other: packed=False")
        token_ids = inputs["token_ids"]
        given = {
            "token_ids": token_ids,
            "segment_ids": inputs.get("segment_ids", ops.zeros_like(token_ids)),
            "padding_mask": inputs.get("padding_mask", ops.ones_like(token_ids)),
        }
        given = {name: ops.cast(given[name], "int32") for name in self.taken}
        outputs = self.backbone(given, training=training)
        outputs = dict(outputs) if isinstance(outputs, dict) else {"sequence_output": outputs}
        if output_positions is not None:
            outputs["sequence_output"] = states_at(outputs["sequence_output"], output_positions)
        return outputs
