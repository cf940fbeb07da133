"""What a model is and how it is pre-trained, as two frozen dataclasses of plain data."""

import dataclasses
import json
from typing import Any, Literal

from keras_mlm.config_checks import check_pretraining
from keras_mlm.config_stages import GROWS_AT, stages_of
from keras_mlm.errors import InputError

FORMAT_VERSION = 1

# layers, hidden size, attention heads (64 wide each); the feed-forward layer is four times as wide as the hidden state.
PRESETS: dict[str, tuple[int, int, int]] = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
}

# A style names what a preset leaves open. `classic` is the paper. `short_budget` is the same objective on an
# architecture that learns within minutes: post-norm with learned positions needs hours to leave its first plateau.
# `modern` is what later work found better per hour: more masks, no next sentences, gated feed-forward, no biases,
# and rows without padding.
STYLES: dict[str, dict[str, dict[str, Any]]] = {
    "classic": {"model": {}, "pretraining": {}},
    "short_budget": {
        "model": {"norm": "pre", "position": "rotary", "dropout": 0.0},
        "pretraining": {"learning_rate": 2e-3},
    },
    "modern": {
        "model": {"norm": "pre", "position": "rotary", "dropout": 0.0, "next_sentence": False, "gated": True,
                  "biases": False, "layer_norm_epsilon": 1e-6},
        "pretraining": {"learning_rate": 2e-3, "mask_selection_rate": 0.3, "next_sentence": False, "packed": True,
                        "schedule": "warmup_stable_decay", "warmup": 0.05},
    },
}  # fmt: skip

# Held-out figures of every style are taken at this rate, so that they can be compared.
EVALUATION_RATE = 0.15


def _added(default: Any) -> Any:
    """Return a field that the first version did not have: left out of what is saved while it has its default."""
    return dataclasses.field(default=default, metadata={"added": True})


def _plain(config: Any) -> dict[str, Any]:
    fields = [f for f in dataclasses.fields(config) if not f.metadata or getattr(config, f.name) != f.default]
    return {field.name: getattr(config, field.name) for field in fields}


def _from_dict(cls: type, data: dict[str, Any], what: str) -> Any:
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise InputError(f"{what} has unknown entries {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    try:
        return cls(**data)
    except TypeError as error:
        raise InputError(f"{what}: {error}") from error


def _check_style(style: str) -> None:
    if style not in STYLES:
        raise InputError(f"unknown style {style!r}; known are {', '.join(STYLES)}")


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """The architecture of one BERT, saved with every model.

    Args:
        vocabulary_size: int, number of tokens.
        num_layers: int, number of encoder blocks. Defaults to `4`.
        num_heads: int, attention heads a block. Defaults to `4`.
        hidden_dim: int, width of the hidden state; a multiple of `num_heads`. Defaults to `256`.
        intermediate_dim: int, width inside the feed-forward layer. Defaults to `1024`.
        max_sequence_length: int, the longest row in tokens. Defaults to `512`.
        num_segments: int, segment ids told apart. Defaults to `2`.
        dropout: float in [0, 1), the share dropped of embeddings, attention scores, outputs. Defaults to `0.1`.
        norm: `"post"` (the paper) or `"pre"` (normalised before each sub-layer, and once at the end).
        position: `"learned"` (the paper) or `"rotary"` (queries and keys turned by their position).
        next_sentence: bool, whether the model has a pooler and next-sentence head. Defaults to `True`.
        layer_norm_epsilon: float. Defaults to `1e-12`.
        initializer_range: float, standard deviation of the truncated normal the weights start from. Defaults to `0.02`.
        activation: `"gelu"` (exact) or `"gelu_tanh"`, the approximation that some published weights were trained with.
        tie_word_embeddings: bool, whether the masked-LM head multiplies with the token embedding. Defaults to `True`.
        gated: bool, whether half of the feed-forward layer, two thirds as wide, gates the other. Defaults to `False`.
        biases: bool, whether products and norms of the encoder add biases. Defaults to `True`.

    Raises:
        InputError: a value that no model can have; the message names it.

    Example:
        ```python
        config = BertConfig.from_preset("mini", vocabulary_size=8000, norm="pre", position="rotary")
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), [smaller BERTs](https://arxiv.org/abs/1908.08962)
    """

    vocabulary_size: int
    num_layers: int = 4
    num_heads: int = 4
    hidden_dim: int = 256
    intermediate_dim: int = 1024
    max_sequence_length: int = 512
    num_segments: int = 2
    dropout: float = 0.1
    norm: Literal["post", "pre"] = "post"
    position: Literal["learned", "rotary"] = "learned"
    next_sentence: bool = True
    layer_norm_epsilon: float = 1e-12
    initializer_range: float = 0.02
    activation: Literal["gelu", "gelu_tanh"] = _added("gelu")
    tie_word_embeddings: bool = _added(True)
    gated: bool = _added(False)
    biases: bool = _added(True)

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim",
                     "max_sequence_length", "num_segments"):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.hidden_dim % self.num_heads:
            raise InputError(f"hidden_dim {self.hidden_dim} is not a multiple of num_heads {self.num_heads}")
        if self.norm not in ("post", "pre"):
            raise InputError(f"norm must be 'post' or 'pre', not {self.norm!r}")
        if self.position not in ("learned", "rotary"):
            raise InputError(f"position must be 'learned' or 'rotary', not {self.position!r}")
        if self.activation not in ("gelu", "gelu_tanh"):
            raise InputError(f"activation must be 'gelu' or 'gelu_tanh', not {self.activation!r}")
        if self.position == "rotary" and self.hidden_dim // self.num_heads % 2:
            raise InputError(f"rotary positions need an even head width, not {self.hidden_dim // self.num_heads}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {self.dropout!r}")

    @classmethod
    def from_preset(cls, preset: str, *, style: str = "classic", **overrides: Any) -> "BertConfig":
        """Return the architecture of a preset and style, with any entry overridden.

        Args:
            preset: str, one of `tiny`, `mini`, `small`, `medium`, `base`, `large`.
            style: str, `classic`, `short_budget` or `modern`. Defaults to `"classic"`.
            **overrides: entries of the config; `vocabulary_size` is required.

        Raises:
            InputError: an unknown preset or style; the message lists the known ones.
        """
        if preset not in PRESETS:
            raise InputError(f"unknown preset {preset!r}; known are {', '.join(PRESETS)}")
        _check_style(style)
        num_layers, hidden_dim, num_heads = PRESETS[preset]
        sizes = {
            "num_layers": num_layers,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": 4 * hidden_dim,
        }
        return cls(**{**sizes, **STYLES[style]["model"], **overrides})

    def to_dict(self) -> dict[str, Any]:
        """Return the config as plain data; later entries that have their default are left out, as in older folders."""
        return _plain(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BertConfig":
        """Return the config that `to_dict` wrote. Raises `InputError` on unknown or missing entries.

        Args:
            data: dict of plain data.
        """
        return _from_dict(cls, data, "the model config")


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """How one BERT is pre-trained, saved with every run.

    Args:
        length: int, tokens a row, special tokens included. Defaults to `128`.
        batch_size: int, rows in the global batch. Defaults to `64`.
        masking: `"token"`, `"whole_word"` or `"span"` (runs of words), what is masked together. Defaults to `"token"`.
        mask_selection_rate: float, share of a row's tokens to predict. Defaults to `0.15`.
        mask_selection_length: int, the most predictions a row; by default the rate times the length, rounded up.
        next_sentence: bool, whether rows are sentence pairs and the next-sentence loss is learned. Defaults to `True`.
        learning_rate: float, the highest rate. Defaults to `1e-4`.
        warmup: float, share of the run in which the rate rises. Defaults to `0.1`.
        weight_decay: float, not applied to norms and biases. Defaults to `0.01`.
        clip_norm: float, the largest norm of all gradients together. Defaults to `1.0`.
        steps: int, optimizer steps in all; exactly one of `steps` and `minutes` is given.
        minutes: float, wall-clock budget of the training loop.
        seed: int, of everything random. Defaults to `0`.
        deterministic: bool, whether a rerun gives the same bits. Defaults to `False`.
        micro_batches: int, equal parts in which each device works through its rows of a step. Defaults to `1`.
        optimizer: `"adamw"`, `"adamw_original"` (no bias correction) or `"lamb"`. Defaults to `"adamw"`.
        schedule: `"linear"`, `"cosine"`, `"one_cycle"` or `"warmup_stable_decay"`. Defaults to `"linear"`.
        precision: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`. Norms, the sums of softmax and loss, and the
            optimizer's state are float32 in each. Defaults to `"float32"`.
        recompute: bool, whether the encoder blocks' activations are computed again in the backward pass, which needs
            less memory and a third more time. Defaults to `False`.
        packed: bool, whether texts share a row, unseen by each other; not with sentence pairs. Defaults to `False`.
        final_length: int, tokens a row in the last tenth, which has as many fewer rows. Defaults to `None`, `length`.
        final_mask_selection_rate: float, the rate of masks at the last step, to which it goes evenly from that of the
            first; needs `steps`. Defaults to `None`, `mask_selection_rate` throughout.
        replacements: how random replacements are drawn: `"uniform"`, every ordinary token alike, or `"unigram"`, as
            often as it occurs in the corpus. Defaults to `"uniform"`.
        sentence_pairs: what the pairs of `next_sentence` are: `"next"`, half of the second parts are another
            document's, or `"order"`, half of the pairs are swapped. Defaults to `"next"`.
        content_word_weight: float, how many times as often nouns, verbs, adjectives, adverbs and numbers are masked as
            other words, of a corpus with parts of speech; the share of a row stays. Defaults to `1.0`.
        adaptive_masking: bool, whether tokens that the model finds hard are masked more often, as `AdaptiveMasking`
            does it; the share of a row stays. Defaults to `False`.
        corpus_weights: sequence of float, of several corpora: their shares of every batch, in relation to each other.
            Defaults to `()`, one corpus.
        length_buckets: int, how many lengths the batches of a run have, equal parts of `length`: each has rows of
            similar length and little padding. Defaults to `1`, all rows are padded to `length`.

    Raises:
        InputError: a value that no run can have; the message names it.

    Example:
        ```python
        config = PretrainingConfig(length=128, batch_size=32, minutes=10)
        ```
    """

    length: int = 128
    batch_size: int = 64
    masking: Literal["token", "whole_word", "span"] = "token"
    mask_selection_rate: float = 0.15
    mask_selection_length: int | None = None
    next_sentence: bool = True
    learning_rate: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    deterministic: bool = False
    micro_batches: int = _added(1)
    optimizer: Literal["adamw", "adamw_original", "lamb"] = _added("adamw")
    schedule: Literal["linear", "cosine", "one_cycle", "warmup_stable_decay"] = _added("linear")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = _added("float32")
    recompute: bool = _added(False)
    packed: bool = _added(False)
    final_length: int | None = _added(None)
    final_mask_selection_rate: float | None = _added(None)
    replacements: Literal["uniform", "unigram"] = _added("uniform")
    sentence_pairs: Literal["next", "order"] = _added("next")
    content_word_weight: float = _added(1.0)
    adaptive_masking: bool = _added(False)
    corpus_weights: tuple[float, ...] = _added(())
    length_buckets: int = _added(1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpus_weights", tuple(self.corpus_weights))  # JSON has lists only
        check_pretraining(self)

    @property
    def stage_ends(self) -> tuple[float, ...]:
        """The shares of the run at which a stage ends and the next one begins."""
        return () if self.final_length is None else (GROWS_AT,)

    @property
    def stages(self) -> "tuple[PretrainingConfig, ...]":
        """The run's parts, one after the other, each with the rows of one length; a single one unless they grow."""
        return stages_of(self)

    @property
    def predictions(self) -> int:
        """The number of mask slots a row has."""
        if self.mask_selection_length is not None:
            return self.mask_selection_length
        return -int(-max(self.mask_selection_rate, self.final_mask_selection_rate or 0) * self.length // 1)

    @classmethod
    def from_style(cls, style: str = "classic", **overrides: Any) -> "PretrainingConfig":
        """Return a style's way to train, with any entry overridden. Raises `InputError` on an unknown style.

        Args:
            style: str, `classic`, `short_budget` or `modern`. Defaults to `"classic"`.
            **overrides: entries, `steps` or `minutes` among them; rows of sentence pairs or in length buckets are
                never packed unasked.
        """
        _check_style(style)
        entries = {**STYLES[style]["pretraining"], **overrides}
        unpacked = entries.get("next_sentence", True) or entries.get("length_buckets", 1) > 1
        if unpacked and "packed" not in overrides:
            entries["packed"] = False
        return cls(**entries)

    def to_dict(self) -> dict[str, Any]:
        """Return the config as plain data."""
        return _plain(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "PretrainingConfig":
        """Return the config that `to_dict` wrote. Raises `InputError` on unknown or missing entries.

        Args:
            data: dict of plain data.
        """
        return _from_dict(cls, data, "the pre-training config")


def dump_json(data: dict[str, Any]) -> str:
    """Return plain data as the JSON text every file of this package is written in."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
