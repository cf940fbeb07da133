"""The files that start a server; what needs tensorflow-serving-api to be read is tested with the requests."""

import sys
from pathlib import Path

import keras
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model
from keras_mlm.export.serving_files import docker_command, write_serving_files
from keras_mlm.export.warm_up import WARM_UP


def test_compose_and_kubernetes_start_the_server_on_those_settings(tmp_path):
    files = {Path(path).name: Path(path) for path in write_serving_files(str(tmp_path / "News_1"), "News_1")}
    (service,) = yaml.safe_load(files["docker-compose.yml"].read_text())["services"].values()
    deployment, load_balancer = yaml.safe_load_all(files["kubernetes.yaml"].read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert service["image"] == container["image"]
    assert service["command"] == container["args"]
    docker = docker_command("News_1").replace("\\\n", "").split()
    assert docker[-len(service["command"]) :] == service["command"]
    for argument in service["command"]:
        if "/" in argument:
            assert Path(argument.partition("/models/News_1/serving/")[2]).name in files
    assert service["volumes"] == ["..:/models/News_1:ro"]
    assert container["volumeMounts"][0]["mountPath"] == "/models/News_1"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == load_balancer["spec"]["selector"] == labels
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/News_1"
    assert deployment["metadata"]["name"] == "news-1", "a name that DNS allows"


def test_bfloat16_is_switched_on_beside_the_same_batching(tmp_path):
    files = {Path(path).name: Path(path).read_text() for path in write_serving_files(str(tmp_path), "news")}
    text = files["bfloat16.config"]
    session, batching = (_block(text, name) for name in ("session_config", "batching_parameters"))
    config = text_format.Parse(session, tf.compat.v1.ConfigProto())
    assert config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 == RewriterConfig.ON
    alone = [line for line in files["batching_parameters.txt"].splitlines() if not line.startswith("#")]
    assert batching.split() == "\n".join(alone).split()


def _block(text: str, name: str) -> str:
    """What stands between the braces behind a name."""
    start = text.index(name + " {") + len(name) + 2
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[start : end - 1]


def test_an_operators_own_settings_stay(tmp_path):
    folder = str(tmp_path)
    write_serving_files(folder, "news")
    (tmp_path / "serving" / "models.config").write_text("mine")
    (tmp_path / "serving" / "monitoring.config").unlink()
    assert [Path(path).name for path in write_serving_files(folder, "news")] == ["monitoring.config"]
    assert (tmp_path / "serving" / "models.config").read_text() == "mine"


def test_without_the_serving_extra_the_export_says_so(make_model, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis.prediction_log_pb2", None)
    monkeypatch.setattr(keras.export, "ExportArchive", FakeArchive)
    with caplog.at_level("INFO", logger="keras_mlm"):
        path = export_saved_model(make_model(num_layers=1), str(tmp_path), ExportOptions(length=8))
    assert "keras-mlm[serving]" in caplog.text
    assert (Path(path) / "saved_model.pb").exists() and not (Path(path) / WARM_UP).exists()


class FakeArchive:
    def add_endpoint(self, *args, **kwargs):
        pass

    def write_out(self, folder, verbose):
        (Path(folder) / "saved_model.pb").write_bytes(b"")
