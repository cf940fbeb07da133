"""Checks, before any work starts, that the installed packages and settings can do it."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

from keras_mlm.errors import InputError

OLDEST_KERAS = (3, 15)


def quiet_tensorflow() -> None:
    """Turn off TensorFlow's start-up banners; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _QuietFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietFinder())


def keep_freed_memory() -> None:
    """Let TensorFlow on a CPU keep what its tensors free for its next ones; call it before anything makes a tensor.

    Otherwise a step gives its large tensors back to the system and gets them again, page by page and zeroed, in the
    next one: where pages are dear, as on virtual machines, a third of the time of a step, and of making batches more.

    Example:
        ```python
        from keras_mlm.environment import keep_freed_memory

        keep_freed_memory()
        ```
    """
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    # TensorFlow would stop at 64 GB, however much there is; it takes only what is asked for in any case.
    megabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(max(megabytes, 64 << 10)))


def check_environment(backend: str = "tensorflow") -> None:
    """Raise if an environment variable or an installed version would make the work fail later or silently differ.

    Where nothing asks for a Keras backend, the one that is needed is asked for: a `keras.json` in the home folder
    could otherwise choose another.

    Args:
        backend: str, the Keras backend the work needs. Defaults to `"tensorflow"`.

    Raises:
        InputError: one line that says what is wrong and how to mend it.

    Example:
        ```python
        from keras_mlm.environment import check_environment

        check_environment()
        ```
    """
    asked = os.environ.setdefault("KERAS_BACKEND", backend)
    if asked != backend:
        raise InputError(
            f"KERAS_BACKEND is {asked!r}, but this needs {backend!r}: run `export KERAS_BACKEND={backend}`"
        )
    if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
        raise InputError(
            "TF_USE_LEGACY_KERAS asks for Keras 2, which this does not run on: run `unset TF_USE_LEGACY_KERAS`"
        )
    keras = _version("keras")
    if _minor(keras) < OLDEST_KERAS:
        wanted = ".".join(map(str, OLDEST_KERAS))
        raise InputError(f"keras {keras} is too old: run `pip install 'keras>={wanted}'`")
    if backend == "tensorflow":
        tensorflow, text = _version("tensorflow"), _version("tensorflow-text")
        if _minor(text) != _minor(tensorflow):
            minor = ".".join(map(str, _minor(tensorflow)))
            raise InputError(
                f"tensorflow {tensorflow} and tensorflow-text {text} do not match: "
                f"run `pip install 'tensorflow-text=={minor}.*'`"
            )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"{package} is not installed: run `pip install {package}`") from None


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


class _QuietFinder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow once, to import it with standard error muted.

    TensorFlow 2.21 writes four lines while its libraries are loaded, before it reads any setting of its log level.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                with _standard_error_muted():
                    execute(module)

            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _standard_error_muted() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 nowhere; exceptions pass."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
