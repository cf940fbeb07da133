import functools
from typing import Any

import keras
from keras import ops

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.layers.modeling.bert_embeddings import BertEmbeddings
from keras_mlm.layers.modeling.encoder_block import EncoderBlock
from keras_mlm.layers.modeling.layer_norm import normalised


@keras.saving.register_keras_serializable(package="keras_mlm")
class BertBackbone(keras.Model):
    """The encoder: token ids in, one vector a position out.

    The weights exist as soon as the object does. Their start follows `keras.utils.set_random_seed`.

    Args:
        config: `BertConfig`, the architecture.
        **kwargs: `name`, `dtype` of `keras.Model`.

    Call arguments:
        inputs: dict with `"token_ids"` int `(batch, length)`, `"padding_mask"` bool `(batch, length)`, `False` at
            padding, and optionally `"segment_ids"` int `(batch, length)`, all 0 by default. Rows that hold several
            texts also have `"sequence_ids"` int `(batch, length)`, the number of the text in its row and 0 at padding:
            texts do not see each other; and `"position_ids"`, the place in the text, for learned positions. Other
            entries are ignored.
        return_attention_scores: bool. Defaults to `False`.
        return_hidden_states: bool. Defaults to `False`.
        output_positions: int tensor `(batch, count)`, the positions whose outputs are wanted, such as the masked ones:
            the last block computes no others. Not with the two above. Defaults to `None`, all of them.

    Returns:
        Dict with `"sequence_output"` `(batch, length or count, hidden_dim)`; with `config.next_sentence` also
        `"pooled_output"` `(batch, hidden_dim)`; with `return_attention_scores` also `"attention_scores"`
        `(batch, num_layers, num_heads, length, length)`; with `return_hidden_states` also `"hidden_states"`, a list of
        the outputs of the encoder blocks, the last of which is `"sequence_output"`.

    Example:
        ```python
        backbone = BertBackbone(BertConfig.from_preset("tiny", vocabulary_size=1000))
        ids = keras.ops.array([[2, 17, 42, 3, 0]])
        backbone({"token_ids": ids, "padding_mask": ids != 0})["sequence_output"]  # (1, 5, 128)
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805)
    """

    built: bool

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**{"name": "backbone", **kwargs})  # one name, so that paths of variables never differ
        self.config = config
        # Set by `BertPretrainer.compile`: whether training keeps the blocks' inputs only and computes the rest twice.
        self.recompute = False
        rotary = config.position == "rotary"
        self.embeddings = BertEmbeddings(
            config.vocabulary_size,
            config.hidden_dim,
            num_segments=config.num_segments,
            max_sequence_length=None if rotary else config.max_sequence_length,
            dropout=config.dropout,
            layer_norm_epsilon=config.layer_norm_epsilon,
            initializer_range=config.initializer_range,
            name="embeddings",
        )
        self.encoder_blocks = [
            EncoderBlock(
                config.num_heads,
                config.hidden_dim,
                config.intermediate_dim,
                norm=config.norm,
                rotary=rotary,
                dropout=config.dropout,
                layer_norm_epsilon=config.layer_norm_epsilon,
                initializer_range=config.initializer_range,
                activation=config.activation,
                gated=config.gated,
                biases=config.biases,
                name=f"encoder_block_{index}",
            )
            for index in range(config.num_layers)
        ]
        # Pre-norm blocks leave their sum unnormalised.
        self.final_norm = (
            keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, center=config.biases, name="final_norm")
            if config.norm == "pre"
            else None
        )
        self.pooled_dense = (
            keras.layers.Dense(
                config.hidden_dim,
                activation="tanh",
                kernel_initializer=keras.initializers.TruncatedNormal(stddev=config.initializer_range),
                name="pooled_dense",
            )
            if config.next_sentence
            else None
        )
        self.build()

    @property
    def token_embeddings(self) -> Any:
        """The matrix of token embeddings, `(vocabulary_size, hidden_dim)`."""
        return self.embeddings.token_embedding.embeddings

    def build(self, input_shape: Any = None) -> None:
        """Create the weights, which depend on the config only."""
        if self.built:
            return
        hidden = (None, None, self.config.hidden_dim)
        self.embeddings.build((None, None))
        for block in self.encoder_blocks:
            block.build(hidden)
        if self.final_norm is not None:
            self.final_norm.build(hidden)
        if self.pooled_dense is not None:
            self.pooled_dense.build((None, self.config.hidden_dim))
        self.built = True

    def call(
        self,
        inputs: dict[str, Any],
        return_attention_scores: bool = False,
        training: bool | None = None,
        return_hidden_states: bool = False,
        output_positions: Any = None,
    ) -> dict[str, Any]:
        """Return the outputs as a dict. Raises `InputError` for rows longer than `config.max_sequence_length`."""
        if output_positions is not None and (return_attention_scores or return_hidden_states):
            raise InputError("scores and hidden states are those of all positions: leave out output_positions")
        length = inputs["token_ids"].shape[1]
        if length is not None and length > self.config.max_sequence_length:
            raise InputError(
                f"rows of {length} tokens do not fit a model of {self.config.max_sequence_length} positions: "
                "cut them, or build the model with a larger max_sequence_length"
            )
        masks = {"padding_mask": inputs["padding_mask"], "attention_mask": None}
        if "sequence_ids" in inputs:
            ids = inputs["sequence_ids"]
            same = ops.equal(ops.expand_dims(ids, 2), ops.expand_dims(ids, 1))
            masks["attention_mask"] = ops.logical_and(same, ops.expand_dims(ids > 0, 1))
        # Rotary positions need no `position_ids`: within a text, distances are those in the row.
        x = self.embeddings(
            inputs["token_ids"], inputs.get("segment_ids"), inputs.get("position_ids"), training=training
        )
        all_scores, hidden_states = [], []
        for block in self.encoder_blocks:
            if output_positions is not None and block is self.encoder_blocks[-1]:
                # The pooler reads position 0, which stands before the others.
                before = 0 if self.pooled_dense is None else 1
                masks["output_positions"] = ops.pad(output_positions, [[0, 0], [before, 0]])
            if self.recompute and training:
                # The masks are no arguments: `tf.recompute_grad` does arithmetic on those.
                x = keras.remat(functools.partial(block.__call__, **masks, training=True))(x)
            else:
                x = block(x, **masks, return_attention_scores=return_attention_scores, training=training)
                if return_attention_scores:
                    x, scores = x
                    all_scores.append(scores)
            hidden_states.append(x)
        if self.final_norm is not None:
            x = normalised(x, self.final_norm)
        outputs = {"sequence_output": x}
        if self.pooled_dense is not None:
            outputs["pooled_output"] = self.pooled_dense(x[:, 0, :])
            if output_positions is not None:
                outputs["sequence_output"] = x[:, 1:, :]
        if return_attention_scores:
            outputs["attention_scores"] = ops.stack(all_scores, axis=1)
        if return_hidden_states:
            outputs["hidden_states"] = [*hidden_states[:-1], x]
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Return plain data that `from_config` builds an equal model from."""
        return {"config": self.config.to_dict(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "BertBackbone":
        """Return the model that `get_config` described, with new weights."""
        return cls(BertConfig.from_dict(config["config"]), name=config["name"])
