"""How long it takes to begin: the import of the package, and a run of one step with data ready, to its saved model."""

import json as json_module
import statistics
import subprocess
import sys
import tempfile
import time

from campaign import run_recipe

from keras_mlm import command_line


def start_up(*, data: str, json: str | None = None, preset: str = "mini", rounds: int = 5) -> None:
    """Time `import keras_mlm`, less what Python itself takes, and pretrain.py with a single step.

    The step comes before the end of the run, which also saves the model, so the second figure is more than the time to
    the first step. The first round of each is left out: it reads the files from the disk.

    Args:
        data: Folder that prepare_corpus wrote.
        json: File to write the figures to.
        preset: Size of the model.
        rounds: How often each runs.
    """
    empty, imported, one_step = [], [], []
    for number in range(rounds + 1):
        found = [_seconds_of("pass"), _seconds_of("import keras_mlm")]
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            run_recipe("pretrain", data=data, output=f"{folder}/model", preset=preset, steps=1)
            found.append(time.perf_counter() - begun)
        if number:
            for seconds, value in zip((empty, imported, one_step), found, strict=True):
                seconds.append(value)
    figures = {
        "import_seconds": round(statistics.median(imported) - statistics.median(empty), 3),
        "one_step_seconds": round(statistics.median(one_step), 1),
        "preset": preset,
    }
    print(f"import keras_mlm: {figures['import_seconds']} s; {preset}, one step and its model: ", end="")
    print(f"{figures['one_step_seconds']} s; medians of {rounds}")
    if json:
        with open(json, "w") as file:
            json_module.dump(figures, file, indent=1)


def _seconds_of(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    command_line.run(start_up)
