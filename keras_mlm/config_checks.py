"""What no pre-training can be set to."""

from typing import TYPE_CHECKING

from keras_mlm.config_stages import check_final_length
from keras_mlm.errors import InputError

if TYPE_CHECKING:
    from keras_mlm.config import PretrainingConfig

_CHOICES = {
    "masking": ("token", "whole_word", "span"),
    "sentence_pairs": ("next", "order"),
    "replacements": ("uniform", "unigram"),
    "optimizer": ("adamw", "adamw_original", "lamb"),
    "schedule": ("linear", "cosine", "one_cycle", "warmup_stable_decay"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
}


def check_pretraining(config: "PretrainingConfig") -> None:
    """Raise `InputError` on a value that no run can have; the message names it."""
    if config.length < 8:
        raise InputError(f"length must be at least 8 tokens, not {config.length}")
    if config.batch_size < 1:
        raise InputError(f"batch_size must be at least 1, not {config.batch_size}")
    for name, known in _CHOICES.items():
        if getattr(config, name) not in known:
            listed = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
            raise InputError(f"{name} must be {listed}, not {getattr(config, name)!r}")
    if config.packed and config.next_sentence:
        raise InputError("packed rows hold no sentence pairs: leave out either packed or next_sentence")
    if not 1 <= config.length_buckets <= config.length // 8:
        raise InputError(
            f"length_buckets must be 1 to {config.length // 8}, parts of at least 8 tokens, not {config.length_buckets}"
        )
    for name in ("packed", "corpus_weights"):
        if config.length_buckets > 1 and getattr(config, name):
            what = "packed rows have no padding to save" if config.packed else "corpora that are mixed fill each batch"
            raise InputError(f"{what}: leave out either {name} or length_buckets")
    if config.micro_batches < 1 or config.batch_size % config.micro_batches:
        raise InputError(
            f"a batch of {config.batch_size} rows cannot be cut into {config.micro_batches} equal micro_batches"
        )
    for name in ("mask_selection_rate", "final_mask_selection_rate"):
        rate = getattr(config, name)
        if rate is not None and not 0 < rate < 1:
            raise InputError(f"{name} must be between 0 and 1, not {rate!r}")
    if config.mask_selection_length is not None and config.mask_selection_length < 1:
        raise InputError(f"mask_selection_length must be at least 1, not {config.mask_selection_length}")
    for name in ("learning_rate", "content_word_weight"):
        if not 0 < getattr(config, name) < float("inf"):
            raise InputError(f"{name} must be above 0, not {getattr(config, name)!r}")
    if len(config.corpus_weights) == 1 or not all(0 < weight < float("inf") for weight in config.corpus_weights):
        raise InputError(f"corpus_weights must be two or more, all above 0, not {config.corpus_weights!r}")
    if not 0 <= config.warmup < 1:
        raise InputError(f"warmup must be in [0, 1), not {config.warmup!r}")
    if (config.steps is None) == (config.minutes is None):
        raise InputError("give the length of the run either in steps or in minutes")
    if config.steps is not None and config.steps < 1:
        raise InputError(f"steps must be at least 1, not {config.steps}")
    if config.minutes is not None and config.minutes <= 0:
        raise InputError(f"minutes must be above 0, not {config.minutes!r}")
    if config.deterministic and config.steps is None:
        raise InputError("deterministic needs steps: a run measured in minutes depends on the machine's speed")
    if config.final_mask_selection_rate is not None and config.steps is None:
        raise InputError(
            "final_mask_selection_rate needs steps: in a run measured in minutes no step is known to be the last"
        )
    if config.final_length is not None:
        check_final_length(config, config.final_length)
