"""The stages of a run that grows its rows: most steps with short ones, the last tenth with long ones."""

import dataclasses
from typing import TYPE_CHECKING

from keras_mlm.errors import InputError

if TYPE_CHECKING:
    from keras_mlm.config import PretrainingConfig

# A run that grows its rows does so for its last tenth: long rows cost more, and little of them teaches the distances.
GROWS_AT = 0.9


def check_final_length(config: "PretrainingConfig", final_length: int) -> None:
    """Raise `InputError` where the rows of a run cannot grow to this length with as many tokens a step."""
    times, rest = divmod(final_length, config.length)
    if times < 2 or rest:
        raise InputError(f"final_length must be a multiple of the length {config.length}, not {final_length}")
    parts = times * config.micro_batches
    if config.batch_size % parts:
        each = f" in {config.micro_batches} micro_batches" if config.micro_batches > 1 else ""
        raise InputError(
            f"{config.batch_size} rows of {config.length} tokens cannot become rows of {final_length} with as many "
            f"tokens a step{each}: the next batch_size that can is {-(-config.batch_size // parts) * parts}"
        )


def stages_of(config: "PretrainingConfig") -> "tuple[PretrainingConfig, ...]":
    """Return the parts of a run, one after the other, each with the rows of one length."""
    if config.final_length is None:
        return (config,)
    rows = config.batch_size * config.length // config.final_length
    short = dataclasses.replace(config, final_length=None)
    long = dataclasses.replace(short, length=config.final_length, batch_size=rows)
    first, last = config.mask_selection_rate, config.final_mask_selection_rate
    if last is None or config.steps is None:
        return short, long
    # The rate of masks goes on where it was: each stage counts its own steps.
    between = first + GROWS_AT * (last - first)
    steps = max(1, round(GROWS_AT * config.steps))
    short = dataclasses.replace(short, final_mask_selection_rate=between, steps=steps)
    return short, dataclasses.replace(long, mask_selection_rate=between, steps=max(1, config.steps - steps))
