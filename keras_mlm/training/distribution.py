"""Over how many devices a batch is spread."""

from typing import Any

from keras_mlm.errors import InputError

STRATEGIES = ("default", "mirrored")


def strategy_from(name: str, *, batch_size: int | None = None) -> Any:
    """Return the `tf.distribute` strategy of a name; build and compile the model inside its `scope()`.

    Args:
        name: `"default"` (one device) or `"mirrored"` (all GPUs of this machine; where there are none, two logical
            CPU devices, which is for trying it out and not faster).
        batch_size: int, rows in the global batch, to be checked against the number of devices. Defaults to `None`.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        InputError: an unknown name, a batch that the devices cannot share evenly, or logical CPU devices asked for
            after TensorFlow has begun to use the real one.

    Example:
        ```python
        with strategy_from("mirrored", batch_size=64).scope():
            model = BertPretrainer(config)
        ```
    """
    import tensorflow as tf

    if name not in STRATEGIES:
        raise InputError(f"unknown strategy {name!r}; known are {', '.join(STRATEGIES)}")
    if name == "default":
        return tf.distribute.get_strategy()
    gpus = tf.config.list_physical_devices("GPU")
    devices = [f"GPU:{number}" for number in range(len(gpus))] if gpus else _logical_cpus(2)
    if batch_size is not None and batch_size % len(devices):
        next_size = -(-batch_size // len(devices)) * len(devices)
        raise InputError(
            f"a batch of {batch_size} rows cannot be shared evenly by {len(devices)} devices; the next that can is "
            f"{next_size}"
        )
    return tf.distribute.MirroredStrategy(devices)


def _logical_cpus(number: int) -> list[str]:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    configured = tf.config.get_logical_device_configuration(cpu) or []
    if len(configured) < number:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
        except RuntimeError:
            raise InputError(
                "the mirrored strategy needs two logical CPU devices here, and TensorFlow has already started with "
                "one: ask for the strategy before anything else is computed"
            ) from None
    return [f"CPU:{index}" for index in range(number)]
