"""Progress lines: a bar with an estimate on a terminal, one line a minute anywhere else."""

import logging
import sys
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 60.0


class _Lines:
    """A stream that turns a bar's carriage returns into lines of their own."""

    def write(self, text: str) -> None:
        text = text.strip()
        if text:
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress_bar(description: str, total: int | None, unit: str) -> Any:
    """Return a tqdm bar on the standard error, shown where the package's log messages are.

    Args:
        description: str, what is being done.
        total: int, how much there is to do; or `None` where that is not known.
        unit: str, what is counted.

    Returns:
        A tqdm bar: a context with `update(count)`.

    Example:
        ```python
        with progress_bar("Tokenizing", len(texts), "texts") as bar:
            bar.update(1)
        ```
    """
    terminal = sys.stderr.isatty()
    interval = 0.5 if terminal else _SECONDS_BETWEEN_LINES
    return tqdm(
        desc=description,
        total=total,
        unit=f" {unit}",
        unit_scale=True,
        file=sys.stderr if terminal else _Lines(),
        mininterval=interval,
        maxinterval=interval,
        delay=0 if terminal else interval,
        leave=False,
        disable=not logging.getLogger("keras_mlm").isEnabledFor(logging.INFO),
    )
