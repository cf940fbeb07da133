"""The files for clusters fit together with the recipe and with what the resolvers read."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_mlm.training.cluster import PORT

RECIPES = Path(__file__).parents[2] / "recipes"
SLURM = (RECIPES / "cluster" / "slurm.sh").read_text()
KUBERNETES = (RECIPES / "cluster" / "kubernetes.yaml").read_text()


@pytest.fixture(scope="module")
def options():
    done = subprocess.run([sys.executable, str(RECIPES / "pretrain.py"), "--help"], capture_output=True, text=True)
    return set(re.findall(r"--[a-z][a-z0-9-]*", done.stdout))


def test_the_slurm_script_is_valid_and_gives_options_that_there_are(options):
    assert subprocess.run([shutil.which("bash"), "-n", str(RECIPES / "cluster" / "slurm.sh")]).returncode == 0
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(\S*)$", SLURM, flags=re.MULTILINE))
    # One worker a machine, told in time, queued again after it.
    assert directives["ntasks-per-node"] == "1" and directives["signal"].startswith("TERM@")
    assert "requeue" in directives and int(directives["nodes"]) > 1
    (command,) = re.findall(r"^srun (.*)$", SLURM, flags=re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", command.split("pretrain.py")[1])) <= options
    assert "--strategy multi_worker" in command and '"$@"' in command


@pytest.mark.parametrize(("status", "again"), [(0, False), (1, True), (2, False), (130, True)])
def test_slurm_queues_again_what_can_go_on(tmp_path, status, again):
    for name, code in (("srun", status), ("scontrol", 0)):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/bash\necho "{name} $*" >> "{tmp_path}/calls"\nexit {code}\n')
        stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7"}
    script = [shutil.which("bash"), str(RECIPES / "cluster" / "slurm.sh"), "--data", "x"]
    assert subprocess.run(script, env=environment, cwd=tmp_path).returncode == status
    calls = (tmp_path / "calls").read_text()
    assert "recipes/pretrain.py --strategy multi_worker --data x" in calls
    assert ("scontrol requeue 7" in calls) is again


def test_the_kubernetes_manifest_says_what_the_resolver_reads(options):
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the manifest")
    documents = {document["kind"]: document for document in yaml.safe_load_all(KUBERNETES)}
    job = documents["Job"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    environment = {entry["name"]: entry for entry in container["env"]}
    assert job["parallelism"] == job["completions"] == int(environment["WORKERS"]["value"])
    assert environment["POD_IP"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    name, value = environment["WORKER_LABEL"]["value"].split("=")
    assert job["template"]["metadata"]["labels"][name] == value == documents["Job"]["metadata"]["name"]
    assert container["ports"][0]["containerPort"] == PORT
    assert {argument.split("=")[0] for argument in container["args"]} <= options
    account = documents["ServiceAccount"]["metadata"]["name"]
    assert pod["serviceAccountName"] == account == documents["ClusterRoleBinding"]["subjects"][0]["name"]
    (rule,) = documents["ClusterRole"]["rules"]
    assert rule["resources"] == ["pods"] and set(rule["verbs"]) <= {"get", "list"}
    assert documents["ClusterRoleBinding"]["roleRef"]["name"] == documents["ClusterRole"]["metadata"]["name"]
