"""Which workers train together: what the environment says, checked before anything waits for anybody."""

import json
import os
import shutil
import socket
import threading
import time
from typing import Any

from keras_mlm.errors import InputError, RunError

EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:8888", "10.0.0.2:8888"]}, "task": {"type": "worker", "index": 0}}'
PORT = 8888
# How long a worker waits for the others to start, seconds; clusters start their jobs minutes apart.
WAIT = 600.0


def cluster_resolver() -> Any:
    """Return TensorFlow's cluster resolver for this process: TF_CONFIG first, then Slurm, then Kubernetes.

    Under Slurm every task of the job step is a worker. In Kubernetes the workers are the pods with the label in
    `WORKER_LABEL` (`job-name=NAME`), `WORKERS` of them, of which the one with address `POD_IP` is this one; the
    manifest in recipes/cluster/ sets all three.

    Returns:
        A `tf.distribute.cluster_resolver.ClusterResolver` with a task type and a task id.

    Raises:
        InputError: nothing says who the workers are, or what says so is malformed; the message names the key.
    """
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        check_tf_config(os.environ["TF_CONFIG"])
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_PROCID" in os.environ:
        return _slurm_resolver()
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return kubernetes_resolver()
    raise InputError(
        f"the multi_worker strategy needs to know its workers: set TF_CONFIG, such as {EXAMPLE}, or start the recipe "
        "under Slurm or Kubernetes (recipes/cluster/); on one machine, recipes/launch_local.py sets it"
    )


def check_tf_config(text: str) -> None:
    """Raise `InputError` naming the key that is wrong in a TF_CONFIG for training by workers."""

    def refuse(problem: str) -> InputError:
        return InputError(f"TF_CONFIG: {problem}; it looks like {EXAMPLE}")

    try:
        config = json.loads(text)
    except ValueError as error:
        raise refuse(f"no JSON ({error})") from error
    for key in ("cluster", "task"):
        if not isinstance(config, dict) or not isinstance(config.get(key), dict):
            raise refuse(f"the key {key!r} is missing or no object")
    cluster, task = config["cluster"], config["task"]
    if "ps" in cluster:
        raise InputError(
            "TF_CONFIG: cluster.ps asks for parameter servers, which Keras 3 does not support: list all machines "
            "under cluster.worker"
        )
    unknown = sorted(set(cluster) - {"chief", "worker"})
    if unknown or not cluster:
        raise refuse(f"cluster.{unknown[0]} is no chief or worker" if unknown else "cluster is empty")
    seen: set[str] = set()
    for job, addresses in cluster.items():
        if not isinstance(addresses, list) or not addresses:
            raise refuse(f"cluster.{job} is no list of addresses")
        for place, address in enumerate(addresses):
            name = f"cluster.{job}[{place}]"
            host, _, port = str(address).rpartition(":")
            if not isinstance(address, str) or not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise refuse(f"{name} is {address!r}, no host:port")
            if address in seen:
                raise refuse(f"{name} {address} is listed twice")
            seen.add(address)
    if task.get("type") not in cluster:
        raise refuse(f"task.type is {task.get('type')!r}, which cluster does not list")
    index, workers = task.get("index"), len(cluster[task["type"]])
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < workers:
        raise refuse(f"task.index is {index!r}, not a whole number from 0 to {workers - 1}")


def _slurm_resolver() -> Any:
    import tensorflow as tf

    # TensorFlow's resolver gives out GPUs and forgets the tasks of machines that have none.
    gpus = shutil.which("nvidia-smi") is not None
    without = {} if gpus else {"gpus_per_node": 1 << 20, "gpus_per_task": 1, "auto_set_gpu": False}
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(port_base=PORT, **without)
        cluster = resolver.cluster_spec()  # finds this process's place, too
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"Slurm does not say who the workers are ({error}): start them with srun") from error
    return resolver if gpus else _simple_resolver(cluster, resolver.task_id)


def _simple_resolver(cluster: Any, index: int) -> Any:
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster, task_type="worker", task_id=index, num_accelerators={"GPU": gpus}, rpc_layer="grpc"
    )


def kubernetes_resolver(client: Any = None, wait: float = WAIT) -> Any:
    """Return the resolver of the pods of one job, as soon as all of them run; `client` replaces the real one."""
    import tensorflow as tf

    missing = [name for name in ("WORKER_LABEL", "WORKERS", "POD_IP") if not os.environ.get(name)]
    if missing or not os.environ["WORKERS"].isdigit():
        raise InputError(
            f"in Kubernetes, {', '.join(missing) or 'WORKERS'} must be set as recipes/cluster/kubernetes.yaml does"
        )
    label, workers, own = os.environ["WORKER_LABEL"], int(os.environ["WORKERS"]), os.environ["POD_IP"]
    deadline = time.monotonic() + wait
    while True:
        try:
            resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver(
                {"worker": [label]}, tf_server_port=PORT, override_client=client
            )
            addresses = sorted(resolver.cluster_spec().as_dict().get("worker", []))
        except ImportError as error:
            raise InputError("Kubernetes is asked for its pods by a package: pip install kubernetes") from error
        except RuntimeError:  # a pod that does not run yet
            addresses = []
        if len(addresses) == workers and f"{own}:{PORT}" in addresses:
            break
        if time.monotonic() > deadline:
            raise RunError(f"{len(addresses)} of {workers} pods with label {label} run after {wait:.0f} s")
        time.sleep(min(5.0, wait))
    return _simple_resolver(tf.train.ClusterSpec({"worker": addresses}), addresses.index(f"{own}:{PORT}"))


def wait_for_workers(addresses: list[str], own: str, wait: float = WAIT) -> None:
    """Return when every worker listens at its address; TensorFlow alone would wait for an hour and name nobody.

    Args:
        addresses: list of `"host:port"` of all workers.
        own: this worker's.
        wait: float, seconds until giving up. Defaults to `600`.

    Raises:
        InputError: this worker's port is in use.
        RunError: a worker did not appear in time; the message names its address.
    """
    port = int(own.rpartition(":")[2])
    try:
        listener = socket.create_server(("", port))
    except OSError as error:
        raise InputError(f"port {port} of this worker ({own}) is not free ({error}): choose another") from error
    listening = threading.Event()
    listening.set()

    def answer() -> None:
        while listening.is_set():
            try:
                listener.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    deadline = time.monotonic() + wait
    try:
        for address in addresses:
            while address != own and not _listens(address):
                if time.monotonic() > deadline:
                    raise RunError(f"the worker at {address} could not be reached in {wait:.0f} s: is it started?")
                time.sleep(0.2)
    finally:
        listening.clear()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        return True
    except OSError:
        return False
