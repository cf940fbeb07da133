import dataclasses
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.training.best_epoch import BestEpoch
from keras_mlm.training.held_out_curves import HeldOutCurves
from keras_mlm.training.layerwise_adamw import LayerwiseAdamW
from keras_mlm.training.precision import fastest_precision
from keras_mlm.training.progress_line import ProgressLine
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_curves import TrainingCurves

# Points of the curves of a whole run.
CURVE_POINTS = 200
# Below so many texts a step takes fewer of them.
FEW_TEXTS = 2000
# From so many operations on, minutes on a CPU, half precision is worth compiling what stands between the products: half
# a minute. Of texts and sentences alike so many tokens are counted.
LONG, TOKENS = 8e12, 20
# Training of a width of 128 goes on for so many steps without a better epoch.
PATIENT_STEPS = 300
# The highest rate by the width of a model: the paper's for 768, those of small models by recipes/benchmarks/
# fine_tuning_rates.py. Between widths it is a power of them; beyond nothing was measured.
TEXT_RATES = {128: 2e-3, 256: 1.2e-3, 768: 3e-5}
TAG_RATES = {128: 2.2e-3, 256: 1.1e-3, 768: 6e-5}
# For pairs, pre-trained models of up to 256 take such a share of that rate, and so many steps of a width of 128, with
# which alone it was measured.
PAIR_RATE, PAIR_STEPS = 0.25, 850


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """How a model is fine-tuned: the optimizer and the callbacks of `fit`, the same for classifiers and taggers.

    The learning rate rises over a tenth of the steps and falls to 0 over the rest. Training stops when the dev set has
    not had a better epoch for `patience` epochs, and the best epoch's weights are kept.

    Args:
        epochs: int, the most epochs.
        patience: int, epochs without a better one.
        batch_size: int, rows a step.
        learning_rate: float, the highest rate, that of the head.
        layer_decay: float in (0, 1], rate of a block as a share of that of the block above.
        dropout: float in [0, 1), share dropped.
        precision: str, of the products: `"float32"` or `"mixed_bfloat16"`. Defaults to `"float32"`.

    Raises:
        InputError: a value that no run can have; the message names the option.

    Example:
        ```python
        tuning = FineTuning.for_model(model.config, examples=len(rows), epochs=10)
        model.compile(tuning.optimizer(model.config))
        model.fit(batches, epochs=tuning.epochs, shuffle=False, callbacks=tuning.callbacks(rows, score, "accuracy"))
        ```
    """

    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    layer_decay: float
    dropout: float
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise InputError(f"--learning-rate must be above 0, not {self.learning_rate}")
        if not 0 < self.layer_decay <= 1:
            raise InputError(f"--layer-decay must be above 0 and at most 1, not {self.layer_decay}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout must be at least 0 and below 1, not {self.dropout}")
        if self.precision not in ("float32", "mixed_bfloat16"):
            raise InputError(f"--precision must be float32 or mixed_bfloat16, not {self.precision}")

    @classmethod
    def for_model(
        cls,
        config: BertConfig,
        examples: int,
        *,
        pretrained: bool = True,
        tags: bool = False,
        pairs: bool = False,
        **given: Any,
    ) -> "FineTuning":
        """Return what is sensible for the width of a model and so many examples, but for what is given.

        Args:
            config: `BertConfig`, the architecture.
            examples: int, how many there are to learn from.
            pretrained: bool, whether there is something in the lower layers to keep. Defaults to `True`.
            tags: bool, whether words are learned from rather than texts: every word is an example, so fewer rows a step
                at a higher rate, more steps and less dropout are the better. Defaults to `False`.
            pairs: bool, whether the texts are pairs: how two texts belong together is learned from little else than
                pre-training, which a lower rate, less dropout and fewer steps keep. Defaults to `False`.
            **given: entries of `FineTuning`; those that are `None` are chosen.

        Returns:
            A `FineTuning`.
        """
        small = config.hidden_dim <= 256
        # Few texts are many steps only where a step takes few of them.
        few = small and examples < FEW_TEXTS
        batch_size = given.get("batch_size") or (16 if tags or few else 64 if small else 32)
        # Small models forget little and overfit soon: they take rates that larger ones do not survive, more dropout,
        # and many epochs.
        width = max(config.hidden_dim, 128)  # below that nothing was measured
        keeping = small and pairs and pretrained
        steps = (6000 if tags else PAIR_STEPS if keeping else 3300) * 128 / width
        widths, rates = zip(*(TAG_RATES if tags else TEXT_RATES).items(), strict=True)
        rate = math.exp(np.interp(math.log(width), np.log(widths), np.log(rates)))
        if keeping:
            rate *= PAIR_RATE
        in_an_epoch = max(examples, 1) / batch_size
        epochs = given.get("epochs") or max(3, min(40 if tags else 100, round(steps / in_an_epoch)))
        operations = 6 * 12 * config.num_layers * config.hidden_dim**2 * TOKENS * examples * epochs
        chosen = {
            "epochs": epochs,
            # Of few examples an epoch is a few steps, after which no dev set, small as it then is, tells a better one.
            "patience": max(5, math.ceil(PATIENT_STEPS * 128 / width / in_an_epoch)),
            "batch_size": batch_size,
            "learning_rate": rate,
            "layer_decay": 0.9 if pretrained else 1.0,
            "dropout": 0.3 if small and not tags and not keeping else 0.1,
            "precision": fastest_precision() if operations > LONG else "float32",
        }
        return cls(**{**chosen, **{name: value for name, value in given.items() if value is not None}})

    @property
    def few_shapes(self) -> bool:
        """Whether batches should have few shapes, as each is compiled in half precision; see `labelled_batches`."""
        return self.precision != "float32"

    def __str__(self) -> str:
        """All entries in one line."""
        entries = dataclasses.asdict(self).items()
        return ", ".join(f"{name} {value if isinstance(value, str) else f'{value:g}'}" for name, value in entries)

    def optimizer(self, config: BertConfig) -> LayerwiseAdamW:
        """Return the optimizer for a model of an architecture.

        Args:
            config: `BertConfig`, of which the number of layers is taken.

        Returns:
            `LayerwiseAdamW`.
        """
        return LayerwiseAdamW(self.learning_rate, num_layers=config.num_layers, layer_decay=self.layer_decay)

    def callbacks(
        self, rows: Any, score: Callable[[], dict[str, float]], best_by: str, logs: str | None = None
    ) -> list[Any]:
        """Return the callbacks of `fit`.

        Args:
            rows: sequence of the encoded rows that `fit` goes through in an epoch.
            score: callable that returns the scores of the dev set, see `BestEpoch`.
            best_by: str, the score that the best epoch has the most of.
            logs: str, the folder of TensorBoard's logs. Defaults to `None`, none are written.

        Returns:
            List of callbacks; the second is the `BestEpoch`, whose `epoch` tells which was kept.
        """
        steps = self.epochs * -(-len(rows) // self.batch_size)
        tokens = sum(len(row["token_ids"]) for row in rows) / len(rows)
        budget = TrainingBudget(steps=steps, learning_rate=self.learning_rate)
        best = BestEpoch(score, best_by, self.patience)
        tokens *= self.batch_size
        # The progress line and the curves take the logs that they find at an epoch's end: the scores must be in them.
        found = [budget, best, ProgressLine(budget, tokens)]
        if logs is not None:
            every = max(1, steps // CURVE_POINTS)
            found += [HeldOutCurves(logs, budget), TrainingCurves(logs, budget, tokens, every_steps=every)]
        return found

    @property
    def verbose(self) -> int:
        """The `verbose` of `fit`: a line an epoch, where the progress line does not stand on a terminal."""
        return 0 if sys.stderr.isatty() else 2
