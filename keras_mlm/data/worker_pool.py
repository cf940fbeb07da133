"""Processes that do the same to many tasks, and the end of one of them told by name and at once."""

import contextlib
import importlib
import os
import pickle
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_mlm.errors import RunError

# One thread each, for there is one for every core; and none takes a GPU's memory for what runs on the CPU.
_ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class WorkerDied(RunError):
    """A process ended in the middle of its work: it was killed, or ran out of memory."""


class WorkerPool:
    """Several processes that call a function with tasks; started at once, so that loading goes beside other work.

    They are processes of their own rather than those of `multiprocessing`, which would run a script that has no
    `if __name__ == "__main__":` again in each, and whose pools wait for a killed one, or do not know what it was doing.
    When this process ends, however it ends, they do too, after the task at hand.

    Args:
        workers: int, how many processes; with one all is done in this one.
        preload: str, a module that they load at once. Defaults to this one.
        without: sequence of str, packages that they do as if they were not installed. Defaults to none.

    Example:
        ```python
        with WorkerPool(2) as pool:
            for task in pool.run(os.remove, ["a.txt", "b.txt", "c.txt"]):
                print(task)
        ```
    """

    def __init__(self, workers: int, preload: str = __name__, without: Sequence[str] = ()) -> None:
        self._processes = [_start(preload, without) for _ in range(workers if workers > 1 else 0)]

    def run(self, function: Callable[[Any], None], tasks: Sequence[Any]) -> Iterator[Any]:
        """Call a function with each task, and yield the tasks as they are finished.

        Args:
            function: callable that can be pickled.
            tasks: sequence of what it takes; `str(task)` is what messages call it.

        Returns:
            Iterator of tasks.

        Raises:
            WorkerDied: a process died; the message names its task.
            Exception: what the function raised.
        """
        if not self._processes:
            for task in tasks:
                function(task)
                yield task
            return
        waiting = iter(tasks)
        at_work: dict[subprocess.Popen[bytes], Any] = {}
        with selectors.DefaultSelector() as ready:
            for process, task in zip(self._processes, waiting, strict=False):
                ready.register(process.stdout, selectors.EVENT_READ, process)  # type: ignore[arg-type]
                at_work[process] = task
                _send(process, function)
                _send(process, task)
            while at_work:
                for key, _ in ready.select():
                    process = key.data
                    _check(process, at_work[process])
                    yield at_work.pop(process)
                    task = next(waiting, None)
                    if task is None:
                        ready.unregister(process.stdout)
                    else:
                        at_work[process] = task
                        _send(process, task)

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            _end(process)


def _check(process: "subprocess.Popen[bytes]", task: Any) -> None:
    """Read what a process says of its task, and raise what went wrong."""
    assert process.stdout is not None
    try:
        error = pickle.load(process.stdout)
    except EOFError:
        raise WorkerDied(
            f"a worker {_manner(process.wait())} while it prepared {task}: the same command goes on from there, with "
            "fewer --workers it takes less memory"
        ) from None
    if error is not None:
        raise error


def serve() -> None:
    """Be one of the processes: read the function, then tasks, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    preload, *without = sys.argv[1:]
    sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]
    importlib.import_module(preload)
    try:
        function = pickle.load(sys.stdin.buffer)
    except EOFError:
        return
    while True:
        try:
            task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        error: BaseException | None = None
        try:
            function(task)
        except Exception as raised:
            error = raised
        try:
            answers.write(_pickled(error))
            answers.flush()
        except BrokenPipeError:
            os._exit(0)  # nobody waits for it: the process that started this one is gone


def _start(preload: str, without: Sequence[str]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", f"from {__name__} import serve; serve()", preload, *without]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _send(process: "subprocess.Popen[bytes]", thing: Any) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died: reading its answer says so
        process.stdin.write(pickle.dumps(thing))
        process.stdin.flush()


def _end(process: "subprocess.Popen[bytes]") -> None:
    # Idle or in the middle of something that is of no use any more.
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def _pickled(error: BaseException | None) -> bytes:
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return pickle.dumps(RunError(f"{type(error).__name__}: {error}"))
    return data


def _manner(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
