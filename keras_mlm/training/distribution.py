"""Over how many devices and machines a batch is spread."""

from typing import TYPE_CHECKING, Any

from keras_mlm.errors import InputError
from keras_mlm.training.cluster import WAIT, cluster_resolver, wait_for_workers

if TYPE_CHECKING:
    from keras_mlm.data.pretraining_dataset import PretrainingDataset

STRATEGIES = ("default", "mirrored", "multi_worker", "tpu")


def strategy_from(name: str, *, batch_size: int | None = None, micro_batches: int = 1, wait: float = WAIT) -> Any:
    """Return the `tf.distribute` strategy of a name; build and compile the model inside its `scope()`.

    Args:
        name: `"default"` (one device), `"mirrored"` (all GPUs of this machine; where there are none, two logical CPU
            devices, which is for trying it out and not faster), `"multi_worker"` (all GPUs, or the CPU, of every
            machine that TF_CONFIG, Slurm or Kubernetes names; the same command runs on each) or `"tpu"` (untested).
        batch_size: int, rows in the global batch, to be checked against the number of devices. Defaults to `None`.
        micro_batches: int, parts in which each device works through its rows, to be checked too. Defaults to `1`.
        wait: float, seconds in which all workers must have started. Defaults to `600`.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        InputError: an unknown name, a malformed TF_CONFIG, a batch that the devices cannot share evenly, or a strategy
            asked for after TensorFlow has begun to use its devices.
        RunError: a worker did not start in time; the message names its address.

    Example:
        ```python
        with strategy_from("mirrored", batch_size=64).scope():
            model = BertPretrainer(config)
        ```
    """
    import tensorflow as tf

    if name in ("parameter_server", "ps"):
        raise InputError("Keras 3 does not support parameter servers: take multi_worker")
    if name not in STRATEGIES:
        raise InputError(f"unknown strategy {name!r}; known are {', '.join(STRATEGIES)}")
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "multi_worker":
        strategy = _multi_worker(wait)
    elif name == "tpu":
        try:
            strategy = tf.distribute.TPUStrategy(tf.distribute.cluster_resolver.TPUClusterResolver.connect())
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            raise InputError(f"no TPU can be used here ({' '.join(str(error).split())[:200]})") from error
    else:
        gpus = tf.config.list_physical_devices("GPU")
        devices = [f"GPU:{number}" for number in range(len(gpus))] if gpus else _logical_cpus(2)
        _check_batch(batch_size, len(devices), micro_batches)  # before anything is started
        strategy = tf.distribute.MirroredStrategy(devices)
    _check_batch(batch_size, strategy.num_replicas_in_sync, micro_batches)
    return strategy


def worker_batches(dataset: "PretrainingDataset", strategy: Any, start_step: int = 0) -> Any:
    """Return a dataset's batches as `fit` and `evaluate` need them: with several workers, this one's rows of each.

    The rows of all workers and devices together are the batch that one process would have, in its order.

    Args:
        dataset: `PretrainingDataset`, whose `batch_size` counts the rows of all devices together.
        strategy: the strategy of the model.
        start_step: int, the first batch. Defaults to `0`.

    Returns:
        A `tf.data.Dataset`, which Keras spreads over the devices of a machine; with several workers a
        `tf.distribute.DistributedDataset`.

    Example:
        ```python
        model.fit(worker_batches(dataset, strategy), steps_per_epoch=100)
        ```
    """
    if not several_workers(strategy):
        return dataset.batches(start_step)

    def of_worker(context: Any) -> Any:
        worker, workers = context.input_pipeline_id, context.num_input_pipelines
        batches = dataset.batches(start_step, worker=worker, workers=workers)
        replicas = context.num_replicas_in_sync // workers
        return batches.rebatch(dataset.batch_size // context.num_replicas_in_sync) if replicas > 1 else batches

    return strategy.distribute_datasets_from_function(of_worker)


def several_workers(strategy: Any) -> bool:
    """Return whether other processes train the same model."""
    return bool(strategy.extended._in_multi_worker_mode())


def is_chief(strategy: Any) -> bool:
    """Return whether this process is the one that writes: the only one, or the first of several workers."""
    return not several_workers(strategy) or bool(strategy.extended._is_chief)


def _multi_worker(wait: float) -> Any:
    import tensorflow as tf

    resolver = cluster_resolver()
    cluster = resolver.cluster_spec()
    addresses = [address for job in sorted(cluster.jobs) for address in cluster.job_tasks(job)]
    own = cluster.task_address(resolver.task_type, resolver.task_id)
    if len(addresses) > 1:
        wait_for_workers(addresses, own, wait)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise InputError(
            "TensorFlow has already begun to use its devices: ask for the strategy before anything else is computed"
        ) from None


def _check_batch(batch_size: int | None, replicas: int, micro_batches: int) -> None:
    parts = replicas * micro_batches
    if batch_size is not None and batch_size % parts:
        each = f" in {micro_batches} micro-batches each" if micro_batches > 1 else ""
        raise InputError(
            f"a batch of {batch_size} rows cannot be shared evenly by {replicas} devices{each}; the next that can is "
            f"{-(-batch_size // parts) * parts}"
        )


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
