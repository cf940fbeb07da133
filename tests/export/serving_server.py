"""A small stand-in for tensorflow_model_server: gRPC and REST over the TF 1 loader, strict about the SignatureDef.

    python serving_server.py BASE_PATH NAME

It serves every numbered folder of BASE_PATH, prints its two ports as one line of JSON, and ends with its standard
input. It knows the SavedModel and TF Serving's protocols, and nothing of the package that wrote the model.
"""

import base64
import json
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  the tokenizer's operations
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


class Refused(Exception):
    """What the server answers instead of outputs: a status and its words."""


class Version:
    """One loaded SavedModel."""

    def __init__(self, folder):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.signatures = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder)).signature_def

    def signature(self, name):
        if (name or "serving_default") not in self.signatures:
            raise Refused("INVALID_ARGUMENT", f"Serving signature name: {name} not found in signature def")
        return self.signatures[name or "serving_default"]

    def predict(self, name, inputs):
        """The outputs of a signature, after its inputs have been held against the SignatureDef."""
        signature = self.signature(name)
        if set(inputs) != set(signature.inputs):
            raise Refused("INVALID_ARGUMENT", f"inputs {sorted(inputs)}, expected {sorted(signature.inputs)}")
        for key, info in signature.inputs.items():
            dtype = tf.as_dtype(info.dtype)
            given = tf.string if inputs[key].dtype == object else tf.as_dtype(inputs[key].dtype)
            if given != dtype:
                raise Refused("INVALID_ARGUMENT", f"{key} is {given.name}, expected {dtype.name}")
            if not tf.TensorShape(info.tensor_shape).is_compatible_with(inputs[key].shape):
                raise Refused("INVALID_ARGUMENT", f"{key} has the shape {inputs[key].shape}")
        rows = {len(values) for values in inputs.values()}
        if len(rows) != 1:
            raise Refused("INVALID_ARGUMENT", f"inputs of {sorted(rows)} rows")
        fetches = {key: info.name for key, info in signature.outputs.items()}
        outputs = self.session.run(fetches, {signature.inputs[key].name: value for key, value in inputs.items()})
        for key, info in signature.outputs.items():
            assert tf.TensorShape(info.tensor_shape).is_compatible_with(outputs[key].shape), key
            assert len(outputs[key]) in rows, f"{key} is not batch first: batching would tear it apart"
        return outputs


class Server:
    """All versions of one model."""

    def __init__(self, base_path, name):
        self.name = name
        self.versions = {int(path.name): Version(path) for path in Path(base_path).iterdir() if path.name.isdecimal()}

    def version(self, name, number):
        if name != self.name or (number or max(self.versions)) not in self.versions:
            raise Refused("NOT_FOUND", f"Servable not found for request: {name} {number or ''}")
        return number or max(self.versions)


class Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server):
        self.server = server

    def Predict(self, request, context):
        spec = request.model_spec
        response = predict_pb2.PredictResponse()
        try:
            number = self.server.version(spec.name, spec.version.value)
            inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
            outputs = self.server.versions[number].predict(spec.signature_name, inputs)
        except Refused as error:
            context.abort(getattr(grpc.StatusCode, error.args[0]), error.args[1])
        for key, value in outputs.items():
            if not request.output_filter or key in request.output_filter:
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        response.model_spec.name = spec.name
        response.model_spec.version.value = number
        return response

    def GetModelMetadata(self, request, context):
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        number = self.server.version(request.model_spec.name, request.model_spec.version.value)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.server.versions[number].signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(signatures)
        response.model_spec.version.value = number
        return response


def rest_handler(server):
    class Rest(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            match = re.fullmatch(r"/v1/models/([^/]+)(?:/versions/(\d+))?", self.path)
            self.answer(200 if match and match[1] == server.name else 404, {"model_version_status": [
                {"version": str(number), "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
                for number in sorted(server.versions, reverse=True)
            ]})  # fmt: skip

        def do_POST(self):
            text = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                match = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", self.path)
                if not match:
                    raise Refused("NOT_FOUND", "Malformed request: POST " + self.path)
                version = server.versions[server.version(match[1], int(match[2] or 0))]
                body = json.loads(text)
                name = body.get("signature_name")
                self.answer(200, predict(version, name, body))
            except Refused as error:
                self.answer(404 if error.args[0] == "NOT_FOUND" else 400, {"error": error.args[1]})
            except ValueError as error:
                self.answer(400, {"error": f"JSON Parse error: {error}"})

        def answer(self, code, body):
            text = json.dumps(body, allow_nan=False).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args):
            pass

    return Rest


def predict(version, name, body):
    signature = version.signature(name)
    if ("instances" in body) == ("inputs" in body):
        raise Refused("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
    if "instances" in body:
        rows = [row if isinstance(row, dict) and set(row) != {"b64"} else {only(signature): row}
                for row in body["instances"]]  # fmt: skip
        columns = {key: [row[key] for row in rows] for key in rows[0]}
    else:
        columns = body["inputs"] if isinstance(body["inputs"], dict) else {only(signature): body["inputs"]}
    inputs = {}
    for key, values in columns.items():
        if key not in signature.inputs:
            raise Refused("INVALID_ARGUMENT", f"unknown input {key}")
        dtype = tf.as_dtype(signature.inputs[key].dtype)
        if dtype == tf.string:
            inputs[key] = np.array([raw(value) for value in values], object)
        else:
            inputs[key] = np.array(values, dtype.as_numpy_dtype)
    outputs = {key: plain(value) for key, value in version.predict(name, inputs).items()}
    if "inputs" in body:
        return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}
    return {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}


def only(signature):
    if len(signature.inputs) != 1:
        raise Refused("INVALID_ARGUMENT", "several inputs: name them")
    return next(iter(signature.inputs))


def raw(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def plain(values):
    if isinstance(values, bytes):
        return values.decode()  # as TF Serving does where the output's name does not end in _bytes
    return [plain(value) for value in values] if isinstance(values, np.ndarray) and values.ndim else (
        values.decode() if isinstance(values, bytes) else values.item()
    )  # fmt: skip


def main():
    server = Server(*sys.argv[1:])
    channel = grpc.server(ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Grpc(server), channel)
    grpc_port = channel.add_insecure_port("127.0.0.1:0")
    channel.start()
    rest = ThreadingHTTPServer(("127.0.0.1", 0), rest_handler(server))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"grpc": grpc_port, "rest": rest.server_address[1]}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
