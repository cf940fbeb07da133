"""A side of a benchmark in a process of its own that may fail, hang or run out of memory without the others."""

import multiprocessing
import time
from collections.abc import Callable
from typing import Any


class SideProcess:
    """A side in a process of its own, which says when it is ready and then runs once whenever it is asked."""

    def __init__(self, build: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.began, self.seconds_to_start = time.monotonic(), 0.0
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, build, arguments), daemon=True)
        self.process.start()
        there.close()

    def wait(self, until: float) -> None:
        """Return when the side is built. Raises `RuntimeError` where it fails or takes too long, as `ask` does."""
        self.seconds_to_start = self._receive(until) - self.began

    def ask(self, until: float) -> tuple[Any, float]:
        """Return the answer of one run and its seconds."""
        self.connection.send(None)
        answer: tuple[Any, float] = self._receive(until)
        return answer

    def _receive(self, until: float) -> Any:
        try:
            if not self.connection.poll(max(0.0, until - time.monotonic())):
                raise RuntimeError("out of time")
            answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(10)
            raise RuntimeError(f"exit code {self.process.exitcode}") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def close(self) -> None:
        """End the process, which waits to be asked or hangs."""
        self.connection.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(10)


def _serve(connection: Any, build: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    try:
        call = build(*arguments)
        connection.send(time.monotonic())  # one clock for all processes of a machine
        while True:
            connection.recv()
            began = time.perf_counter()
            answer = call()
            connection.send((answer, time.perf_counter() - began))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        connection.send(" ".join(f"{type(error).__name__}: {error}".split())[:300])
