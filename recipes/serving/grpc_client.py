"""Ask a served model over gRPC; needs grpcio, tensorflow and tensorflow-serving-api.

python grpc_client.py --model news "The [MASK] is open." "今天的[MASK]气很好。"
python grpc_client.py --model news --signature next_sentence --pairs "It rained." "The street was wet."
"""

import argparse

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def ask(server: str, model: str, signature: str, inputs: dict[str, list[bytes]], version: int | None = None) -> dict:
    """Return the outputs by name, arrays with one row a text."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version:
        request.model_spec.version.value = version
    for name, texts in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(texts, tf.string))
    with grpc.insecure_channel(server) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    return {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}


def main() -> None:
    """Read the command line, ask, print."""
    parser = argparse.ArgumentParser(description="Ask a served model over gRPC.")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--model", required=True, help="name that the server knows the model by")
    parser.add_argument("--version", type=int, help="number of the version; by default the server's choice")
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--pairs", action="store_true", help="texts are pairs, two by two: text_a and text_b")
    options = parser.parse_args()
    try:
        texts = [text.encode() for text in options.texts]
        inputs = {"text_a": texts[::2], "text_b": texts[1::2]} if options.pairs else {"text": texts}
        outputs = ask(options.server, options.model, options.signature, inputs, options.version)
    except grpc.RpcError as error:
        raise SystemExit(f"error: {error.code().name}: {error.details()}") from error
    for name, values in sorted(outputs.items()):
        if values.dtype == object:
            values = np.vectorize(lambda value: value.decode(errors="replace"))(values)
        print(name, values.tolist())


if __name__ == "__main__":
    main()
