"""How the learning rate follows the progress of a run."""

import math

SCHEDULES = ("linear", "cosine", "one_cycle", "warmup_stable_decay")
# What cosine ends at, and where warmup_stable_decay begins to fall.
COSINE_END, STABLE_UNTIL = 0.1, 0.8


def rate_factor(schedule: str, progress: float, warmup: float) -> float:
    """Return the share of the highest learning rate at one moment of a run.

    All schedules rise in a straight line during the warm-up. Then `linear` falls to 0 in a straight line, `cosine`
    to a tenth along half a wave, `warmup_stable_decay` stays until four fifths of the run and falls to 0 as
    1 − √(share of the fall). `one_cycle` has no corners: it rises along half a wave from a twenty-fifth and falls along
    another to 0.

    Args:
        schedule: str, one of `SCHEDULES`.
        progress: float, share of the run that is done; values outside [0, 1] are clipped.
        warmup: float in [0, 1), share of the run in which the rate rises.

    Returns:
        float in [0, 1].

    Example:
        ```python
        rate_factor("linear", 0.05, warmup=0.1)  # 0.5
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), appendix A.2: linear
        - [LTG-BERT](https://arxiv.org/abs/2303.09859): cosine to a tenth
        - [Super-convergence](https://arxiv.org/abs/1708.07120): one cycle
        - [Scaling laws beyond fixed training durations](https://arxiv.org/abs/2405.18392): warm-up, stable, decay
    """
    progress = min(1.0, max(0.0, progress))
    if progress < warmup:
        rise = progress / warmup
        return 0.04 + 0.96 * _wave(rise) if schedule == "one_cycle" else rise
    fall = (progress - warmup) / (1.0 - warmup)
    if schedule == "linear":
        return 1.0 - fall
    if schedule == "cosine":
        return COSINE_END + (1.0 - COSINE_END) * (1.0 - _wave(fall))
    if schedule == "one_cycle":
        return 1.0 - _wave(fall)
    begin = max(STABLE_UNTIL, warmup)
    return 1.0 if progress <= begin else 1.0 - math.sqrt((progress - begin) / (1.0 - begin))


def _wave(share: float) -> float:
    return 0.5 * (1.0 - math.cos(math.pi * share))
