"""Loads TensorFlow without what it loads for its own convenience."""

import contextlib
import os
import sys
from collections.abc import Iterator

# TensorFlow and Keras load these where they are installed: 230 MB and seconds a process, for nothing.
UNUSED_PACKAGES = ("jax", "matplotlib", "pandas", "scipy", "sklearn")


@contextlib.contextmanager
def unused_packages_left_out() -> Iterator[None]:
    """Import what is imported inside as if the packages that preparing text does not need were not installed.

    Afterwards they can be imported as ever; Keras is then on TensorFlow. It is for a process that is ours, as that of a
    recipe is.

    Example:
        ```python
        with unused_packages_left_out():
            import tensorflow as tf
        ```
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # another one could not do without what is left out
    hidden = [name for name in UNUSED_PACKAGES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
