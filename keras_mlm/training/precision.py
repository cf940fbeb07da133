"""Which precision a machine trains fastest in, and how its steps are compiled."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)
CPU_INFO = Path("/proc/cpuinfo")
# What a CPU that multiplies in bfloat16 says of itself on Linux; others emulate it, slowly.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def fastest_precision(strategy: str = "default", settings: Mapping[str, Any] | None = None) -> str:
    """Return the precision a run is given that asks for none.

    Args:
        strategy: str, see `strategy_from`; with several replicas the precision has to be said, as their machines may
            differ. Defaults to `"default"`, one device.
        settings: mapping, of a run that may have been begun, which goes on as it began, wherever it does. Defaults to
            `None`.

    Returns:
        `"mixed_bfloat16"` where there is no GPU and the CPU multiplies in it, else `"float32"`.
    """
    if settings:
        return str(settings["pretraining"].get("precision", "float32"))  # the first version had no other
    if strategy != "default":
        logger.info("products in float32: with --strategy %s another precision has to be asked for", strategy)
        return "float32"
    if _has_gpu():  # not each of them multiplies in bfloat16
        return "float32"
    return "mixed_bfloat16" if cpu_has_bfloat16() else "float32"


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU multiplies in bfloat16, as far as Linux says.

    Returns:
        bool.
    """
    flags = CPU_INFO.read_text(encoding="utf-8", errors="replace").split() if CPU_INFO.exists() else []
    return bool(BFLOAT16_FLAGS.intersection(flags))


def compiles_step(precision: str, replicas: int = 1) -> bool:
    """Return whether XLA should compile a training step, of several replicas what each does on its own.

    Not with several GPUs, and not in bfloat16 on a CPU: its products take twice as long there as TensorFlow's own,
    between which a step compiles what is left, see `compiled_runs`.

    Args:
        precision: str, of `PretrainingConfig`.
        replicas: int. Defaults to `1`.

    Returns:
        bool.
    """
    return replicas == 1 if _has_gpu() else precision != "mixed_bfloat16"


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
