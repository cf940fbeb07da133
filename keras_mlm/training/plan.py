"""What a budget buys: tokens, epochs, the hour it ends, and which size, batch and rate suit it."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras_mlm.config import PRESETS, BertConfig, PretrainingConfig
from keras_mlm.errors import InputError
from keras_mlm.training.distribution import worker_batches
from keras_mlm.training.flops import flops_per_step
from keras_mlm.training.pace import peak_flops, seconds_per_step

if TYPE_CHECKING:
    from keras_mlm.data.pretraining_dataset import PretrainingDataset

# The steps of 64 rows below which a size has not yet left its first plateau behind far enough to be worth its time,
# and the highest rate that suits it; measured with recipes/benchmarks/preset_by_budget.py for the small ones, for the
# large ones the usual rule that the rate falls with the root of the width.
SUITS: dict[str, tuple[int, float]] = {
    "tiny": (0, 4e-3),
    "mini": (4_000, 2e-3),
    "small": (10_000, 1.5e-3),
    "medium": (20_000, 1e-3),
    "base": (40_000, 7e-4),
    "large": (80_000, 4e-4),
}
# With fewer steps than these in the budget, a larger batch learns less.
STEPS_BEFORE_LARGER_BATCHES = 100_000
# Beyond so many epochs a text teaches hardly anything new, although every epoch has other masks.
MANY_EPOCHS = 40
# Before about so many steps a model has learned little more than which tokens are frequent.
FEW_STEPS = 1_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run will have done when its budget is used up.

    Args:
        steps: int.
        seconds: float, of training.
        tokens: float, in all.
        epochs: float, how often the text is seen.
        peak_share: float, the share of the device's peak that the products use; NaN if unknown.
    """

    steps: int
    seconds: float
    tokens: float
    epochs: float
    peak_share: float

    @classmethod
    def measure(
        cls, config: BertConfig, training: PretrainingConfig, datasets: "Sequence[PretrainingDataset]", strategy: Any
    ) -> "Plan":
        """Return the plan of a run at the pace it has here, which is measured for some seconds.

        Args:
            config: `BertConfig`.
            training: `PretrainingConfig`.
            datasets: sequence of `PretrainingDataset`, that of each stage.
            strategy: `tf.distribute` strategy.
        """
        paces = [
            seconds_per_step(config, stage, worker_batches(rows, strategy), strategy=strategy)
            for stage, rows in zip(training.stages, datasets, strict=True)
        ]
        peak = peak_flops(training.precision) * strategy.num_replicas_in_sync
        flops = flops_per_step(config, training.stages[0], length=datasets[0].padded_length)
        return cls.make(
            training,
            paces=paces,
            epoch_rows=datasets[0].rows,
            tokens_a_row=datasets[0].tokens_a_row,
            peak_share=flops / paces[0] / peak,
        )

    @classmethod
    def make(
        cls,
        training: PretrainingConfig,
        *,
        paces: Sequence[float],
        epoch_rows: int,
        tokens_a_row: float,
        peak_share: float,
    ) -> "Plan":
        """Return the plan of a run whose stages have these paces in seconds a step; the rows are the first one's."""
        bounds = [0.0, *training.stage_ends, 1.0]
        shares = [end - begin for begin, end in itertools.pairwise(bounds)]
        if training.steps is not None:
            steps = training.steps
            seconds = steps * sum(share * pace for share, pace in zip(shares, paces, strict=True))
        else:
            seconds = 60.0 * (training.minutes or 0.0)
            steps = int(seconds * sum(share / pace for share, pace in zip(shares, paces, strict=True)))
        rows = steps * training.batch_size  # later ones are as many fewer as they are longer
        return cls(steps, seconds, rows * tokens_a_row, rows / epoch_rows, peak_share)

    def __str__(self) -> str:
        end = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + self.seconds))
        lines = [
            f"steps            {self.steps:>16,}",
            f"tokens           {self.tokens:>16,.0f}",
            f"epochs           {self.epochs:>16.1f}",
            f"tokens a second  {self.tokens / max(1e-9, self.seconds):>16,.0f}",
            f"share of peak    {self.peak_share:>16.0%}",
            f"ends about       {end:>16}, if started now",
        ]
        if self.epochs > MANY_EPOCHS:
            lines.append(
                f"WARNING: the text repeats {self.epochs:.0f} times; beyond about {MANY_EPOCHS} it teaches hardly "
                "anything new: give more text or a shorter budget"
            )
        if self.steps < FEW_STEPS:
            lines.append(
                f"WARNING: {self.steps:,} steps are few; before about {FEW_STEPS:,} a new model knows little more than "
                "which tokens are frequent: give more time, shorter rows (--length), fewer of them (--batch-size) or a "
                "smaller --preset"
            )
        return "\n".join(lines)


def fitted_to_budget(
    training: PretrainingConfig,
    style: str,
    dataset: "PretrainingDataset",
    *,
    learning_rate: float | None = None,
    before: Sequence[Any] | None = None,
) -> tuple[str, PretrainingConfig]:
    """Return the size that suits a budget in minutes here, and the training with the batch and rate that suit it.

    Args:
        training: `PretrainingConfig` with `minutes`.
        style: str, of the model.
        dataset: `PretrainingDataset` to measure with.
        learning_rate: float, in place of the rate that suits. Defaults to `None`.
        before: preset, batch and rate that an earlier start of the run chose; nothing is measured then. Defaults to
            `None`.

    Returns:
        Preset and `PretrainingConfig`.
    """
    size = dataset.manifest.vocabulary_size

    def make(preset: str) -> BertConfig:
        return BertConfig.from_preset(preset, style=style, vocabulary_size=size, next_sentence=training.next_sentence)

    preset, batch_size, rate = before or choose_preset(
        make, training, lambda config: seconds_per_step(config, training, dataset.batches())
    )
    return preset, dataclasses.replace(training, batch_size=batch_size, learning_rate=learning_rate or rate)


def choose_preset(
    make: Callable[[str], BertConfig], training: PretrainingConfig, measure: Callable[[BertConfig], float]
) -> tuple[str, int, float]:
    """Return the size, batch and highest rate that suit a budget in minutes.

    Two small sizes are measured; a larger one's step takes as much longer as it has more to multiply.

    Args:
        make: callable that returns the config of a preset.
        training: `PretrainingConfig` with `minutes`.
        measure: callable that returns the seconds of a step of a config, see `seconds_per_step`.

    Returns:
        Preset, `batch_size`, `learning_rate`.

    Raises:
        InputError: the budget is in steps.
    """
    if training.minutes is None:
        raise InputError("--preset auto fits the size to a time: give --minutes or --hours")
    measured = {name: measure(make(name)) for name in ("tiny", "mini")}
    work = {name: flops_per_step(make(name), training) for name in PRESETS}
    each = max(1e-15, (measured["mini"] - measured["tiny"]) / (work["mini"] - work["tiny"]))
    pace = {name: measured["tiny"] + each * (work[name] - work["tiny"]) for name in PRESETS}
    steps = {name: 60 * training.minutes / pace[name] for name in PRESETS}
    chosen = [name for name in PRESETS if steps[name] * training.batch_size / 64 >= SUITS[name][0]][-1]
    batch_size = training.batch_size
    while steps[chosen] * training.batch_size / batch_size > STEPS_BEFORE_LARGER_BATCHES:
        batch_size *= 2
    return chosen, batch_size, SUITS[chosen][1]
