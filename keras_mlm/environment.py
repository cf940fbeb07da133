"""Checks, before any work starts, that the installed packages and settings can do it."""

import importlib.metadata
import os

from keras_mlm.errors import InputError

OLDEST_KERAS = (3, 15)


def quiet_tensorflow() -> None:
    """Turn off TensorFlow's start-up banners; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")


def check_environment(backend: str = "tensorflow") -> None:
    """Raise if an environment variable or an installed version would make the work fail later or silently differ.

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
    asked = os.environ.get("KERAS_BACKEND", backend)
    if asked != backend:
        raise InputError(
            f"KERAS_BACKEND is {asked!r}, but this needs {backend!r}: run `export KERAS_BACKEND={backend}`"
        )
    if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
        raise InputError(
            "TF_USE_LEGACY_KERAS asks for Keras 2, which this does not run on: run `unset TF_USE_LEGACY_KERAS`"
        )
    keras = _version("keras")
    if tuple(int(part) for part in keras.split(".")[:2]) < OLDEST_KERAS:
        wanted = ".".join(map(str, OLDEST_KERAS))
        raise InputError(f"keras {keras} is too old: run `pip install 'keras>={wanted}'`")
    if backend == "tensorflow":
        tensorflow, text = _version("tensorflow"), _version("tensorflow-text")
        minor = ".".join(tensorflow.split(".")[:2])
        if text.split(".")[:2] != tensorflow.split(".")[:2]:
            raise InputError(
                f"tensorflow {tensorflow} and tensorflow-text {text} do not match: "
                f"run `pip install 'tensorflow-text=={minor}.*'`"
            )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"{package} is not installed: run `pip install {package}`") from None
