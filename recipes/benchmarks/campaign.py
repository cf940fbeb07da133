"""What measurement campaigns share: cells of work that are kept as they finish, and recipes run as cells."""

import concurrent.futures
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def run_cells(
    cells: list[dict[str, Any]],
    results: str,
    run: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    minutes: float | None = None,
) -> None:
    """Run every cell that the results file does not hold, and add its row to the file when it is finished.

    Args:
        cells: what to run, in this order; a row begins with what its cell is.
        results: JSON file, which another campaign may add rows to meanwhile.
        run: runs a cell and returns the figures for its row.
        minutes: what a cell takes, for the time left; by default the mean of those before it.
    """
    missing = [cell for cell, row in zip(cells, rows_of(cells, results), strict=True) if row is None]
    begun = time.perf_counter()
    for number, cell in enumerate(missing):
        each = (time.perf_counter() - begun) / number / 60 if minutes is None and number else minutes
        left = f"; {(len(missing) - number) * each:.0f} minutes left" if each else ""
        print(f"{len(cells) - len(missing) + number + 1} of {len(cells)}: {cell}{left}", flush=True)
        row = {**cell, **run(cell), "date": time.strftime("%Y-%m-%d")}
        keep_rows([*kept_rows(results), row], results)


def run_cells_side_by_side(
    cells: list[dict[str, Any]],
    results: str,
    run: Callable[[dict[str, Any], str], dict[str, Any]],
    work: str,
    processes: int,
    seconds: float,
    begin: Callable[[], None],
) -> None:
    """Run the cells of a campaign that are missing, some at a time on one device, each kept when it is finished.

    Args:
        cells: what to run, in this order.
        results: JSON file of finished cells.
        run: runs a cell in a process of the pool, given the work folder, and returns its row.
        work: folder of what the cells read.
        processes: how many at a time.
        seconds: after which no cell is begun.
        begin: what a process of the pool does first.
    """
    begun, done = time.monotonic(), 0
    missing = [cell for cell in cells if row_of(cell, kept_rows(results)) is None]
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # others are on the card, too
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, context, begin) as pool:
        running: set[concurrent.futures.Future[dict[str, Any]]] = set()
        left = list(missing)
        while left or running:
            while left and len(running) < processes and time.monotonic() - begun < seconds:
                running.add(pool.submit(run, left.pop(0), work))
            if not running:
                break
            finished, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                row = {**future.result(), "date": time.strftime("%Y-%m-%d")}
                keep_rows([*kept_rows(results), row], results)
                done += 1
                minutes = (time.monotonic() - begun) / done * (len(missing) - done) / 60
                print(f"{done} of {len(missing)}, {minutes:.0f} minutes left: {row}", flush=True)


def cell_folder(work: str, cell: dict[str, Any]) -> str:
    """Return the folder for the model of a cell."""
    return f"{work}/{'-'.join(str(value) for value in cell.values())}".replace(" ", "_")


def table_lines(cells: list[dict[str, Any]], results: str, figures: list[str]) -> list[list[Any]]:
    """Return a line for each cell: what it is, then its figures; "not run" where there is none."""
    nothing = ["not run", *[None] * (len(figures) - 1)]
    rows = zip(cells, rows_of(cells, results), strict=True)
    return [[*cell.values(), *([row.get(name) for name in figures] if row else nothing)] for cell, row in rows]


def mean_and_deviation(values: list[float]) -> str:
    """Return both with the digits that a share or a perplexity has."""
    if not values:
        return "not run"
    digits = 3 if max(values) < 1 else 1
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def rows_of(cells: list[dict[str, Any]], results: str) -> list[dict[str, Any] | None]:
    """Return the row of each cell, `None` for those that are not finished."""
    rows = kept_rows(results)
    return [row_of(cell, rows) for cell in cells]


def kept_rows(path: str) -> list[dict[str, Any]]:
    """Return the rows that `keep_rows` wrote; none before it did."""
    return json.loads(Path(path).read_text()) if Path(path).exists() else []  # type: ignore[no-any-return]


def row_of(cell: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of a cell that is finished."""
    return next((row for row in rows if cell.items() <= row.items()), None)


def keep_rows(rows: list[dict[str, Any]], path: str) -> None:
    """Write the rows of the finished cells, so that a process that is killed loses none."""
    partial = Path(path + ".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)


def check_sides(asked: Iterable[str] | None, known: Iterable[str]) -> None:
    """Raise `InputError` for names that no side of a benchmark has."""
    from keras_mlm.errors import InputError

    unknown = sorted(set(asked or []) - set(known))
    if unknown:
        raise InputError(f"no side is called {', '.join(unknown)}; known are {', '.join(known)}")


def run_recipe(name: str, **options: Any) -> None:
    """Run a recipe in a process of its own. Raises `Interrupted` after Ctrl-C and `RunError` where it failed."""
    from keras_mlm.errors import Interrupted, RunError

    recipe = Path(__file__).parent.parent / f"{name}.py"
    arguments: list[str] = []
    for option, value in options.items():
        if value is None:
            continue
        values = [str(entry) for entry in (value if isinstance(value, list) else [value])]
        option = f"--{option.replace('_', '-')}"
        arguments += [f"{option}={values[0]}"] if values == ["false"] else [option, *values]
    code = subprocess.run([sys.executable, str(recipe), *arguments]).returncode
    if code == Interrupted.exit_code:
        raise Interrupted("the same command again continues")
    if code:
        raise RunError(f"{recipe.name} ended with exit code {code}, its reason is above; the same command continues")
