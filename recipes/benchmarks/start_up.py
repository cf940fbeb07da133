"""How long it takes to begin: the import of the package, and a run with data ready, to its first step and its end."""

import json as json_module
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keras_mlm import command_line
from keras_mlm.errors import RunError

PRETRAIN = Path(__file__).parents[1] / "pretrain.py"
# The line that a run of one step shows when it has taken it.
FIRST_STEP = "| step 1 |"


def start_up(*, data: str, json: str | None = None, preset: str = "mini", rounds: int = 5) -> None:
    """Time `import keras_mlm`, less what Python itself takes, and pretrain.py with a single step.

    The first round of each is left out: it reads the files from the disk.

    Args:
        data: Folder that prepare_corpus wrote.
        json: File to write the figures to.
        preset: Size of the model.
        rounds: How often each runs.
    """
    empty, imported, first_step, one_step = [], [], [], []
    for number in range(rounds + 1):
        found = [_seconds_of("pass"), _seconds_of("import keras_mlm"), *_seconds_of_a_step(data, preset)]
        if number:
            for seconds, value in zip((empty, imported, first_step, one_step), found, strict=True):
                seconds.append(value)
    figures = {
        "import_seconds": round(statistics.median(imported) - statistics.median(empty), 3),
        "first_step_seconds": round(statistics.median(first_step), 1),
        "one_step_seconds": round(statistics.median(one_step), 1),
        "preset": preset,
    }
    print(f"import keras_mlm: {figures['import_seconds']} s; {preset}, first step taken after ", end="")
    print(f"{figures['first_step_seconds']} s, evaluated and saved after {figures['one_step_seconds']} s; ", end="")
    print(f"medians of {rounds}")
    if json:
        with open(json, "w") as file:
            json_module.dump(figures, file, indent=1)


def _seconds_of(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def _seconds_of_a_step(data: str, preset: str) -> tuple[float, float]:
    """Return the seconds from the start of a run of one step to the end of this step, and to that of the run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(PRETRAIN), "--data", data, "--output", f"{folder}/model", "--preset", preset]
        begun, first, told = time.perf_counter(), None, []
        process = subprocess.Popen(
            [*command, "--steps", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        for line in process.stderr:
            told.append(line)
            if first is None and FIRST_STEP in line:
                first = time.perf_counter() - begun
        if process.wait() or first is None:
            raise RunError(f"pretrain.py ended with exit code {process.returncode}: {''.join(told)}")
        return first, time.perf_counter() - begun


if __name__ == "__main__":
    command_line.run(start_up)
