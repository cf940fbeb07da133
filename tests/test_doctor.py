import importlib.metadata
import json
import os
import subprocess
import sys

import pytest

from keras_mlm import doctor, environment


def run(*arguments, **variables):
    command = [sys.executable, "-m", "keras_mlm.doctor", *arguments]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=200)


def test_here_everything_works():
    done = run("--json")
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert list(findings) == ["python", "packages", "environment", "devices", "precision", "XLA", "training step",
                              "export and reload"]  # fmt: skip
    assert all(finding["state"] in ("ok", "limited") for finding in findings.values())
    assert f"keras {importlib.metadata.version('keras')}" in findings["packages"]["found"]


@pytest.fixture
def quick(monkeypatch):
    """The checks that compute are left out."""
    for name in ("_devices", "_precision", "_xla", "_training_step", "_export"):
        monkeypatch.setattr(doctor, name, lambda: doctor.Finding("x", "ok", ""))


def states(findings):
    return {finding.check: finding for finding in findings if finding.state == "broken"}


def test_a_pair_that_does_not_match_is_found_with_the_command_that_mends_it(quick, monkeypatch, capsys):
    versions = {"tensorflow": "2.21.0", "tensorflow-text": "2.20.0", "keras": "3.15.1"}
    monkeypatch.setattr(environment, "_version", lambda package: versions[package])
    (finding,) = states(doctor.diagnose()).values()
    assert finding.check == "environment" and "do not match" in finding.found
    assert finding.fix == "run `pip install 'tensorflow-text==2.21.*'`"
    assert doctor.main([]) == 1
    assert "broken   environment: " in capsys.readouterr().out


def test_what_raises_is_a_finding_and_the_rest_goes_on(quick, monkeypatch):
    monkeypatch.setattr(doctor, "_xla", lambda: 1 / 0)
    broken = states(doctor.diagnose())
    assert list(broken) == ["XLA"] and "ZeroDivisionError" in broken["XLA"].found and broken["XLA"].fix


def test_a_package_that_is_missing_is_named(quick, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("keras", "no-such-package"))
    assert "no-such-package" in states(doctor.diagnose())["packages"].found


def test_another_backend_is_found(quick, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert doctor.main([]) == 1
    printed = capsys.readouterr().out
    assert "broken   environment: KERAS_BACKEND is 'jax'" in printed and "export KERAS_BACKEND=tensorflow" in printed


@pytest.mark.slow
def test_another_backend_ends_none_of_the_checks():
    done = run("--json", KERAS_BACKEND="jax")
    findings = {finding["check"]: finding["state"] for finding in json.loads(done.stdout)}
    assert done.returncode == 1 and findings["environment"] == "broken" and len(findings) == 8
