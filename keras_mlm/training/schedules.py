"""How the learning rate follows the progress of a run."""


def warmup_linear(progress: float, warmup: float) -> float:
    """Return the share of the highest learning rate at one moment of a run: a linear rise, then a linear fall to 0.

    Args:
        progress: float, share of the run that is done; values outside [0, 1] are clipped.
        warmup: float in [0, 1), share of the run in which the rate rises.

    Returns:
        float in [0, 1].

    Example:
        ```python
        warmup_linear(0.05, warmup=0.1)  # 0.5
        ```

    References:
        - [BERT](https://arxiv.org/abs/1810.04805), appendix A.2
    """
    progress = min(1.0, max(0.0, progress))
    if progress < warmup:
        return progress / warmup
    return (1.0 - progress) / (1.0 - warmup)
