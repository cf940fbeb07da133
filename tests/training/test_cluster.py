import json
import socket
import threading
import time
from types import SimpleNamespace

import pytest
import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.training import cluster
from keras_mlm.training.cluster import check_tf_config, cluster_resolver, kubernetes_resolver, wait_for_workers

GOOD = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """Neither TF_CONFIG nor Slurm nor Kubernetes, whatever the tests run in."""
    for name in ("TF_CONFIG", "SLURM_PROCID", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def address():
    with socket.create_server(("", 0)) as free:
        return f"localhost:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cluster": None}, "the key 'cluster' is missing"),
        ({"task": 3}, "the key 'task' is missing or no object"),
        ({"cluster": {}}, "cluster is empty"),
        ({"cluster": {"worker": "a:1"}}, "cluster.worker is no list"),
        ({"cluster": {"worker": ["a:1", "b"]}}, r"cluster.worker\[1\] is 'b', no host:port"),
        ({"cluster": {"worker": ["a:1", "b:99999"]}}, r"cluster.worker\[1\] is 'b:99999'"),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, r"cluster.worker\[1\] a:1 is listed twice"),
        ({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}}, "cluster.ps asks for parameter servers"),
        ({"cluster": {"workers": ["a:1"]}}, "cluster.workers is no chief or worker"),
        ({"task": {"type": "chief", "index": 0}}, "task.type is 'chief'"),
        ({"task": {"type": "worker", "index": 2}}, "task.index is 2, not a whole number from 0 to 1"),
        ({"task": {"type": "worker", "index": "0"}}, "task.index is '0'"),
    ],
)
def test_a_malformed_tf_config_is_named_by_its_key(monkeypatch, change, message):
    monkeypatch.setenv("TF_CONFIG", json.dumps({**GOOD, **change}))
    with pytest.raises(InputError, match=message):
        cluster_resolver()


def test_what_is_no_json_or_not_there_is_said(monkeypatch):
    with pytest.raises(InputError, match=r"set TF_CONFIG, such as .*launch_local\.py"):
        cluster_resolver()
    monkeypatch.setenv("TF_CONFIG", "{worker")
    with pytest.raises(InputError, match=r"TF_CONFIG: no JSON \("):
        cluster_resolver()


def test_a_good_tf_config_comes_before_slurm(monkeypatch):
    check_tf_config(json.dumps(GOOD))
    monkeypatch.setenv("TF_CONFIG", json.dumps(GOOD))
    monkeypatch.setenv("SLURM_PROCID", "0")
    resolver = cluster_resolver()
    assert (resolver.task_type, resolver.task_id) == ("worker", 1)


def test_slurm_names_its_tasks(monkeypatch):
    environment = {"PROCID": "2", "STEP_NUM_TASKS": "3", "STEP_NODELIST": "node[1-3]", "STEP_TASKS_PER_NODE": "1(x3)"}
    for name, value in environment.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    resolver = cluster_resolver()
    assert resolver.cluster_spec().as_dict() == {"worker": ["node1:8888", "node2:8888", "node3:8888"]}
    assert (resolver.task_type, resolver.task_id) == ("worker", 2)
    monkeypatch.delenv("SLURM_STEP_NODELIST")
    with pytest.raises(InputError, match="Slurm does not say who the workers are"):
        cluster_resolver()


class Pods:
    """A Kubernetes client whose second pod runs from the second question on."""

    def __init__(self):
        self.questions = 0

    def list_pod_for_all_namespaces(self, label_selector):
        assert label_selector == "job-name=news"
        self.questions += 1
        phases = ["Running", "Running" if self.questions > 1 else "Pending"]
        hosts = zip(("10.0.0.9", "10.0.0.2"), phases, strict=True)
        pods = [SimpleNamespace(status=SimpleNamespace(pod_ip=ip, host_ip=ip, phase=phase)) for ip, phase in hosts]
        for pod in pods:
            pod.metadata = SimpleNamespace(name=pod.status.pod_ip)
        return SimpleNamespace(items=pods)


def test_kubernetes_is_asked_until_all_pods_run(monkeypatch):
    for name, value in {"WORKER_LABEL": "job-name=news", "WORKERS": "2", "POD_IP": "10.0.0.9"}.items():
        monkeypatch.setenv(name, value)
    pods = Pods()
    resolver = kubernetes_resolver(pods, wait=0.5)
    assert resolver.cluster_spec().as_dict() == {"worker": ["10.0.0.2:8888", "10.0.0.9:8888"]}
    assert (resolver.task_type, resolver.task_id, pods.questions) == ("worker", 1, 2)
    monkeypatch.setenv("WORKERS", "3")
    with pytest.raises(RunError, match="2 of 3 pods with label job-name=news run"):
        kubernetes_resolver(pods, wait=0.1)
    monkeypatch.delenv("POD_IP")
    with pytest.raises(InputError, match="POD_IP must be set"):
        kubernetes_resolver(pods)


def test_workers_that_start_one_after_the_other_find_each_other():
    addresses = [address() for _ in range(3)]
    done = []

    def worker(index):
        time.sleep(0.3 * index)
        wait_for_workers(addresses, addresses[index], wait=20)
        done.append(index)
        # As TensorFlow's server does next.
        listener = socket.create_server(("", int(addresses[index].split(":")[1])))
        time.sleep(2)
        listener.close()

    threads = [threading.Thread(target=worker, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(done) == [0, 1, 2]


def test_a_worker_that_never_comes_is_named():
    own, absent = address(), address()
    begin = time.monotonic()
    with pytest.raises(RunError, match=f"the worker at {absent} could not be reached in 1 s"):
        wait_for_workers([own, absent], own, wait=1.0)
    assert time.monotonic() - begin < 10
    with socket.create_server(("", int(own.split(":")[1]))), pytest.raises(InputError, match=f"{own}.* is not free"):
        wait_for_workers([own, absent], own, wait=1.0)


def test_the_example_is_a_good_one():
    check_tf_config(cluster.EXAMPLE)
    assert tf.train.ClusterSpec(json.loads(cluster.EXAMPLE)["cluster"]).num_tasks("worker") == 2
