"""Checks, before any work starts, that the installed packages and settings can do it."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from keras_mlm.errors import InputError

OLDEST_KERAS = (3, 15)
# Keras and TensorFlow load these where they are installed, for conveniences of their own: 230 MB and seconds a process.
UNUSED_PACKAGES = ("jax", "matplotlib", "pandas", "scipy", "sklearn")


def quiet_tensorflow() -> None:
    """Turn off TensorFlow's start-up banners; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    _import_inside(_standard_error_muted, "tensorflow")


def leave_out_unused_packages() -> None:
    """Let Keras on TensorFlow and TensorFlow, when they are imported, find no packages that we make no use of in them.

    Where such packages are installed they take half of the time of the import, and 230 MB. Afterwards they can be
    imported as ever. It is for a process that is ours, as that of a recipe is.

    Example:
        ```python
        from keras_mlm.environment import leave_out_unused_packages

        leave_out_unused_packages()
        ```
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # another one could not do without what is left out
    _import_inside(_unused_packages_hidden, "keras", "tensorflow")


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


def _import_inside(context: Callable[[], contextlib.AbstractContextManager[None]], *names: str) -> None:
    """Let the first of these packages to be imported be loaded inside a context; none if one is loaded already."""
    waiting = (finder for finder in sys.meta_path if isinstance(finder, _FirstImport))
    if not any(name in sys.modules for name in names) and all(finder.context != context for finder in waiting):
        sys.meta_path.insert(0, _FirstImport(context, names))


class _FirstImport(importlib.abc.MetaPathFinder):
    """Finds one of several packages once, to load it inside a context."""

    def __init__(
        self, context: Callable[[], contextlib.AbstractContextManager[None]], names: tuple[str, ...]
    ) -> None:  # fmt: skip
        self.context = context
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.names:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)  # by another of these where there is one
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_inside(module: ModuleType) -> None:
                with self.context():
                    execute(module)

            spec.loader.exec_module = execute_inside  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _unused_packages_hidden() -> Iterator[None]:
    """Import what is imported inside as if the unused packages that are not loaded yet were not installed."""
    hidden = [name for name in UNUSED_PACKAGES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _standard_error_muted() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 nowhere; exceptions pass.

    TensorFlow 2.21 writes four lines while its libraries are loaded, before it reads any setting of its log level.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
