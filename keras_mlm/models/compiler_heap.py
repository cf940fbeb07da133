"""The memory that XLA's compiler frees, given back to the system."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_mlm.freed_memory import give_freed_memory_back

SECONDS = 1.0


class CompilerHeap:
    """Gives back, second by second while a step is traced and compiled, what the compiler has freed.

    XLA and LLVM make and free millions of small objects on every thread, and glibc keeps the pages: of a BERT base
    1.4 GB, on which the step's own arrays would then come. Afterwards is too late: the first step is the highest point.

    Example:
        ```python
        heap = CompilerHeap()
        step = heap.trimmed(tf.function)(lambda data: data + 1)
        step(tf.constant(1))
        ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over: threading.Event | None = None

    def trimmed(self, make_function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return `make_function`, which makes a `tf.function` of a Python one, so that its compiling is watched.

        Args:
            make_function: callable that takes a function of one argument and returns one.

        Returns:
            The same, of functions that give back memory in those calls that trace.
        """

        def make(function: Any) -> Any:
            @functools.wraps(function)
            def traced(data: Any) -> Any:
                if not tf.executing_eagerly():  # Python comes here only while a graph is made
                    self._begin()
                return function(data)

            made = make_function(traced)

            def call(data: Any) -> Any:
                try:
                    return made(data)
                finally:
                    self._end()

            return call

        return make

    def _begin(self) -> None:
        with self._lock:
            if self._over is None:
                self._over = threading.Event()
                threading.Thread(target=self._watch, args=(self._over,), daemon=True).start()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(SECONDS):
            give_freed_memory_back()

    def _end(self) -> None:
        with self._lock:
            if self._over is not None:
                self._over.set()
                self._over = None
