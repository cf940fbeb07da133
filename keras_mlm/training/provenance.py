"""How a process was started and what it runs on: what one needs to do the same again."""

import os
import platform
import shlex
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import keras_mlm

PACKAGES = ("tensorflow", "tensorflow-text", "keras", "keras-nlp", "tokenizers", "numpy")
# Settings of TensorFlow, Keras, XLA and the numeric libraries that change what is computed or where.
_VARIABLES = ("TF_", "KERAS_", "XLA_", "CUDA_VISIBLE_DEVICES", "OMP_", "MKL_", "ONEDNN_", "NCCL_")
# Another program's, Terraform's, which may hold secrets.
_NOT_OURS = ("TF_VAR_", "TF_CLI_", "TF_TOKEN_")


def provenance() -> dict[str, Any]:
    """Return how this process was started, as plain data.

    Returns:
        A dict: `time` (UTC), `command` (to be pasted into a shell), `directory` (where it was given), `versions` of
        Python and the packages, `commit` of a checkout (`None` for an installed package), `system`, `devices`, and
        `environment`, the variables that steer TensorFlow.

    Example:
        ```python
        provenance()["command"]  # "python recipes/pretrain.py --data data/news --minutes 30 --output saved_models/news"
        ```
    """
    import tensorflow as tf

    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": shlex.join(sys.orig_argv),
        "directory": str(Path.cwd()),
        "versions": {
            "python": platform.python_version(),
            "keras_mlm": keras_mlm.__version__,
            **{name: _version(name) for name in PACKAGES},
        },
        "commit": _commit(),
        "system": f"{platform.platform()}, {os.cpu_count()} cores",
        "devices": [_name_of(device) for device in tf.config.list_physical_devices()],
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(_VARIABLES) and not name.startswith(_NOT_OURS)
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the checkout that this package is used from, `-dirty` where files were changed since."""
    root = Path(keras_mlm.__file__).parents[1]
    if not (root / ".git").exists():  # an installed package may lie below a checkout of something else
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _name_of(device: Any) -> str:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(device)
    return str(details.get("device_name", device.device_type))
