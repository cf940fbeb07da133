"""What TF Serving needs beside the model, and requests to a server that knows the SignatureDef only."""

import base64
import contextlib
import importlib.util
import itertools
import json
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model
from keras_mlm.export.serving_files import write_serving_files
from keras_mlm.export.warm_up import BATCH_SIZES, WARM_UP

pytest.importorskip("tensorflow_serving", reason="tensorflow-serving-api is not installed (the extra serving)")
import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

pytestmark = pytest.mark.slow
HERE, CLIENTS = Path(__file__).parent, Path(__file__).parents[2] / "recipes" / "serving"
TEXTS = ["Paris is the [MASK] of France .", "[MASK] 中 [MASK]", "", "the capital " * 40, "[MASK]"]


# === Files ===


def settings(message: str, text: str):
    """A text parsed as one of TF Serving's messages that tensorflow-serving-api does not have."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="settings.proto", package="settings", syntax="proto3")
    for name, fields in {
        "Int64Value": [("value", 1, field.TYPE_INT64, "")],
        "BatchingParameters": [
            ("max_batch_size", 1, field.TYPE_MESSAGE, "Int64Value"),
            ("batch_timeout_micros", 2, field.TYPE_MESSAGE, "Int64Value"),
            ("max_enqueued_batches", 3, field.TYPE_MESSAGE, "Int64Value"),
            ("num_batch_threads", 4, field.TYPE_MESSAGE, "Int64Value"),
            ("allowed_batch_sizes", 6, field.TYPE_INT64, "repeated"),
        ],
        "PrometheusConfig": [("enable", 1, field.TYPE_BOOL, ""), ("path", 2, field.TYPE_STRING, "")],
        "MonitoringConfig": [("prometheus_config", 1, field.TYPE_MESSAGE, "PrometheusConfig")],
    }.items():
        made = file.message_type.add(name=name)
        for field_name, number, kind, more in fields:
            added = made.field.add(name=field_name, number=number, type=kind, label=field.LABEL_OPTIONAL)
            if more == "repeated":
                added.label = field.LABEL_REPEATED
            elif more:
                added.type_name = f".settings.{more}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    cls = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"settings.{message}"))
    return text_format.Parse(text, cls())


def test_the_servers_settings_are_what_the_server_reads(tmp_path):
    written = write_serving_files(str(tmp_path / "News_1"), "News_1")
    files = {Path(path).name: Path(path).read_text() for path in written}
    (config,) = text_format.Parse(
        files["models.config"], model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    assert (config.name, config.base_path, config.model_platform) == ("News_1", "/models/News_1", "tensorflow")
    batching = settings("BatchingParameters", files["batching_parameters.txt"])
    assert tuple(batching.allowed_batch_sizes) == BATCH_SIZES
    assert batching.max_batch_size.value == BATCH_SIZES[-1], "the server demands that the last is the largest"
    assert settings("MonitoringConfig", files["monitoring.config"]).prometheus_config.enable
    # What the comments advise parses too.
    advice = "\n".join(line[4:] for line in files["models.config"].splitlines() if line.startswith("#   "))
    text_format.Parse(advice, model_server_config_pb2.ModelConfig())


def test_the_warm_up_asks_every_signature_at_every_allowed_size(exported, served):
    replay_warm_up(exported, served)


def test_the_warm_up_of_a_classifier(exported_classifier, served_classifier):
    replay_warm_up(exported_classifier, served_classifier)


def test_the_warm_up_of_a_tagger(exported_tagger, served_tagger):
    replay_warm_up(exported_tagger, served_tagger)


def replay_warm_up(exported, served):
    asked = []
    for record in tf.data.TFRecordDataset(str(exported / WARM_UP)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        outputs = served(request.model_spec.signature_name, **inputs)
        (rows,) = {len(value) for value in (*inputs.values(), *outputs.values())}
        asked.append((request.model_spec.signature_name, rows))
    assert sorted(asked) == sorted(itertools.product(served.signatures, BATCH_SIZES))
    assert len(asked) <= 1000, "TF Serving refuses more"


# === Requests ===


@pytest.fixture(scope="module")
def server(make_model, tmp_path_factory):
    """Two versions of a model behind gRPC and REST, in a process of its own."""
    base = tmp_path_factory.mktemp("news")
    export_saved_model(make_model(), str(base), ExportOptions(16, 4, 3))
    export_saved_model(make_model(num_layers=1), str(base), ExportOptions(16, 4, 3))
    with serving(base, "news") as found:
        yield found


@pytest.fixture(scope="module", params=["classifier", "tagger"])
def fine_tuned_server(request, make_classifier, make_tagger, tmp_path_factory):
    """A fine-tuned model behind gRPC and REST."""
    base = tmp_path_factory.mktemp(request.param)
    export_saved_model(make_classifier() if request.param == "classifier" else make_tagger(), str(base))
    with serving(base, "news") as found:
        yield found


@contextlib.contextmanager
def serving(base, name):
    process = subprocess.Popen(
        [sys.executable, str(HERE / "serving_server.py"), str(base), name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    ports = json.loads(process.stdout.readline())
    loaded = {int(path.name): tf.saved_model.load(str(path)) for path in base.iterdir() if path.name.isdecimal()}

    def direct(name, version=None, **inputs):
        outputs = loaded[version or max(loaded)].signatures[name](
            **{key: tf.constant(value) for key, value in inputs.items()}
        )
        return {key: value.numpy() for key, value in outputs.items()}

    yield ports["grpc"], ports["rest"], direct
    process.stdin.close()
    process.wait(timeout=30)


def post(port, body, path="news:predict"):
    url = f"http://127.0.0.1:{port}/v1/models/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def same(answer, expected):
    assert set(answer) == set(expected)
    for key, value in expected.items():
        found = np.array(answer[key])
        if value.dtype == np.float32:
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5)
        else:
            strings = value.dtype == object
            assert found.tolist() == (np.vectorize(bytes.decode, otypes=[object])(value) if strings else value).tolist()


@pytest.mark.parametrize("form", ["instances", "inputs"])
@pytest.mark.parametrize("encode", [str, lambda text: {"b64": base64.b64encode(text.encode()).decode()}])
def test_rest_takes_rows_and_columns_plain_and_base64(server, form, encode):
    _, port, direct = server
    texts = [encode(text) for text in TEXTS]
    if form == "inputs":
        answer = post(port, {"inputs": {"text": texts}})["outputs"]
    else:
        rows = post(port, {"instances": [{"text": text} for text in texts]})["predictions"]
        answer = {key: [row[key] for row in rows] for key in rows[0]}
    same(answer, direct("fill_mask", text=TEXTS))


def test_both_versions_answer_and_the_newest_is_the_default(server):
    _, port, direct = server
    for path, version in (("news", 2), ("news/versions/1", 1), ("news/versions/2", 2)):
        answer = post(port, {"inputs": {"text": TEXTS}, "signature_name": "embed"}, f"{path}:predict")["outputs"]
        same(answer, direct("embed", version, text=TEXTS))
    assert np.abs(direct("embed", 1, text=TEXTS)["cls"] - direct("embed", 2, text=TEXTS)["cls"]).max() > 0.01


def test_what_the_signature_does_not_have_is_refused(server):
    grpc_port, port, _ = server
    for body in ({"instances": [{"txt": "a"}]}, {"inputs": {"text": ["a"]}, "signature_name": "nothing"}, {}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(port, body)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "news", "fill_mask_ids"
    for key in ("token_ids", "segment_ids", "padding_mask"):
        request.inputs[key].CopyFrom(tf.make_tensor_proto(np.zeros((1, 9), "int32")))  # not the exported length
    refused = pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT")
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel, refused:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=60)


def test_grpc_serves_every_signature_that_its_metadata_names(server):
    names = ask_every_signature(server)
    assert names >= {"serving_default", "fill_mask", "embed", "score", "next_sentence", "embed_ids"}


def test_fine_tuned_models_over_grpc_and_rest(fine_tuned_server):
    names = ask_every_signature(fine_tuned_server)
    assert names >= {"classify", "classify_pair", "classify_ids"} or names >= {"tag", "tag_ids"}
    _, port, direct = fine_tuned_server
    answer = post(port, {"instances": [{"text": text} for text in TEXTS]})["predictions"]
    same({key: [row[key] for row in answer] for key in answer[0]}, direct("serving_default", text=TEXTS))


def ask_every_signature(server):
    port, _, direct = server
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "news"
    ids = np.array([[2, 5, 4, 3, *[0] * 12]], "int32")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        packed = stub.GetModelMetadata(metadata, timeout=60).metadata["signature_def"]
        signatures = get_model_metadata_pb2.SignatureDefMap.FromString(packed.value).signature_def
        for name, signature in signatures.items():
            if name == "__saved_model_init_op":
                continue
            inputs = {}
            for key, info in signature.inputs.items():
                row = {"segment_ids": ids * 0, "padding_mask": (ids > 0).astype("int32")}.get(key, ids)
                inputs[key] = np.array(TEXTS, object) if info.dtype == tf.string else row
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = "news", name
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            answer = stub.Predict(request, timeout=60)
            expected = direct(name, **inputs)
            assert set(answer.outputs) == set(expected)
            for key, value in expected.items():
                found = tf.make_ndarray(answer.outputs[key])
                np.testing.assert_array_equal(found.shape, value.shape)
                if value.dtype == np.float32:
                    np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5)
                else:
                    assert found.tolist() == value.tolist()
    return set(signatures)


def test_the_example_clients_print_the_servers_answer(server):
    grpc_port, port, direct = server

    def client(name, *arguments, code=0):
        command = [sys.executable, str(CLIENTS / name), "--model", "news", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr * (code > 0)

    expected = direct("fill_mask", text=TEXTS[:2])["tokens"][0, 0, 0].decode()
    rest = ("rest_client.py", "--server", f"http://127.0.0.1:{port}")
    assert json.loads(client(*rest, *TEXTS[:2]))[0]["tokens"][0][0] == expected
    columns = json.loads(client(*rest, "--version", "1", "--signature", "score", "--columns", TEXTS[0]))
    same(columns, direct("score", 1, text=TEXTS[:1]))
    assert "not found in signature def" in client(*rest, "--signature", "nothing", "a", code=1)
    assert expected in client("grpc_client.py", "--server", f"127.0.0.1:{grpc_port}", *TEXTS[:2])
    label = direct("next_sentence", text_a=["paris"], text_b=["france"])["label"][0].decode()
    pairs = ("--signature", "next_sentence", "--pairs", "paris", "france")
    assert json.loads(client(*rest, *pairs))[0]["label"] == label
    assert label in client("grpc_client.py", "--server", f"127.0.0.1:{grpc_port}", *pairs)


def test_two_thousand_requests_sixteen_at_a_time_none_wrong_none_lost(server):
    grpc_port, port, direct = server
    rng = np.random.default_rng(0)
    words = ["paris", "is", "the", "[MASK]", "capital", "of", "france", ".", "中", "国", "unheardof"]
    texts = [" ".join(rng.choice(words, rng.integers(0, 60))) for _ in range(2000)]
    expected = direct("fill_mask", text=texts)
    channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def ask(number):
        if number % 2:
            return post(port, {"instances": [texts[number]]})["predictions"][0]["scores"]
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "news"
        request.inputs["text"].CopyFrom(tf.make_tensor_proto([texts[number].encode()]))
        return tf.make_ndarray(stub.Predict(request, timeout=60).outputs["scores"])[0]

    with channel, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(2000)))
    assert len(answers) == 2000
    np.testing.assert_allclose(np.array(answers), expected["scores"], atol=1e-5)


def test_the_client_examples_stand_alone():
    for path in CLIENTS.glob("*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert "keras_mlm" not in path.read_text(), "a client machine has none"
