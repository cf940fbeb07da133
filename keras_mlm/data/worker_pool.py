"""Processes that do the same to many tasks, and the end of one of them told by name and at once."""

import contextlib
import gc
import importlib
import os
import pickle
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, NoReturn

from keras_mlm.errors import RunError

# One thread each, for there is one for every core; and none takes a GPU's memory for what runs on the CPU.
_ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}


class WorkerDied(RunError):
    """A process ended in the middle of its work: it was killed, or ran out of memory."""


class _Worker(NamedTuple):
    """The ends of a process' two pipes that are here."""

    tasks: BinaryIO
    answers: BinaryIO


class WorkerPool:
    """Several processes that call a function with tasks; started at once, so that loading goes beside other work.

    One process is started and loads what all need; then it divides into them, so that what is loaded, which may be ten
    times what a task takes, lies in memory once. It is a process of its own rather than one of `multiprocessing`, which
    would run a script that has no `if __name__ == "__main__":` again, and whose pools wait for a killed worker, or do
    not know what it was doing. When this process ends, however it ends, they do too, after the task at hand.

    Args:
        workers: int, how many processes; with one all is done in this one.
        preload: str, a module that is loaded at once. Defaults to this one.
        without: sequence of str, packages that they do as if they were not installed. Defaults to none.

    Example:
        ```python
        with WorkerPool(2) as pool:
            for task in pool.run(os.remove, ["a.txt", "b.txt", "c.txt"]):
                print(task)
        ```
    """

    def __init__(self, workers: int, preload: str = __name__, without: Sequence[str] = ()) -> None:
        self._loader: subprocess.Popen[bytes] | None = None
        self._workers: list[_Worker] = []
        if workers > 1:
            self._loader, self._workers = _start(workers, preload, without)

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
        if self._loader is None:
            for task in tasks:
                function(task)
                yield task
            return
        waiting = iter(tasks)
        at_work: dict[_Worker, Any] = {}
        with selectors.DefaultSelector() as ready:
            for worker, task in zip(self._workers, waiting, strict=False):
                ready.register(worker.answers, selectors.EVENT_READ, worker)
                at_work[worker] = task
                _send(worker, (function, task))
            while at_work:
                for key, _ in ready.select():
                    worker = key.data
                    _check(worker, at_work[worker], self._loader)
                    yield at_work.pop(worker)
                    task = next(waiting, None)
                    if task is None:
                        ready.unregister(worker.answers)
                    else:
                        at_work[worker] = task
                        _send(worker, (None, task))

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._loader is None:
            return
        # Idle or in the middle of something that is of no use any more.
        self._loader.terminate()
        for stream in (stream for worker in self._workers for stream in worker):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._loader.wait()


def _check(worker: _Worker, task: Any, loader: "subprocess.Popen[bytes]") -> None:
    """Read what a process says of its task, or is said of its end, and raise what went wrong."""
    try:
        answer = pickle.load(worker.answers)
    except EOFError:  # nobody is left to say it
        answer = loader.wait()
    if isinstance(answer, int):
        raise WorkerDied(
            f"a worker {_manner(answer)} while it prepared {task}: the same command goes on from there, with fewer "
            "--workers it takes less memory"
        )
    if answer is not None:
        raise answer


def serve() -> None:
    """Be the process that loads what all need, divides, and says with what exit code each of its workers ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    os.dup2(2, 1)  # what a library prints goes where its warnings do
    ends, preload, *without = sys.argv[1:]
    sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]
    importlib.import_module(preload)
    gc.freeze()  # a collector that marks what is shared would copy it
    pipes = [tuple(map(int, pair.split(":"))) for pair in ends.split(",")]
    workers: dict[int, int] = {}

    def end(*_: Any) -> None:
        for process in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    for tasks, answers in pipes:
        process = os.fork()
        if not process:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for other in {end for pair in pipes for end in pair} - {tasks, answers}:
                with contextlib.suppress(OSError):  # closed before this one was made
                    os.close(other)
            _work(os.fdopen(tasks, "rb"), os.fdopen(answers, "wb"))
        workers[process] = answers
        os.close(tasks)
    while workers:
        process, status = os.wait()
        with contextlib.suppress(BrokenPipeError):
            os.write(workers.pop(process), pickle.dumps(os.waitstatus_to_exitcode(status)))


def _work(tasks: BinaryIO, answers: BinaryIO) -> NoReturn:
    """Be one of the workers: read tasks, and functions where they change, until there are no more."""
    with contextlib.suppress(EOFError, BrokenPipeError):  # the process that started this one is done or gone
        function: Callable[[Any], None] | None = None
        while True:
            another, task = pickle.load(tasks)
            function = another or function
            error: BaseException | None = None
            try:
                assert function is not None
                function(task)
            except Exception as raised:
                error = raised
            answers.write(_pickled(error))
            answers.flush()
    os._exit(0)


def _start(workers: int, preload: str, without: Sequence[str]) -> "tuple[subprocess.Popen[bytes], list[_Worker]]":
    tasks, answers = ([os.pipe() for _ in range(workers)] for _ in range(2))
    theirs = [(read, write) for (read, _), (_, write) in zip(tasks, answers, strict=True)]
    environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ends = ",".join(f"{read}:{write}" for read, write in theirs)
    command = [sys.executable, "-c", f"from {__name__} import serve; serve()", ends, preload, *without]
    passed = [end for pair in theirs for end in pair]
    loader = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=passed, env=environment)
    for end in passed:
        os.close(end)
    ours = zip(tasks, answers, strict=True)
    return loader, [_Worker(os.fdopen(write, "wb"), os.fdopen(read, "rb")) for (_, write), (read, _) in ours]


def _send(worker: _Worker, thing: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # it died: reading its answer says so
        worker.tasks.write(pickle.dumps(thing))
        worker.tasks.flush()


def _pickled(error: BaseException | None) -> bytes:
    try:
        data = pickle.dumps(error)
        pickle.loads(data)
    except Exception:
        return pickle.dumps(RunError(f"{type(error).__name__}: {error}"))
    return data


def _manner(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
