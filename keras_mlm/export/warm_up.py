"""The requests that TF Serving replays before a version takes traffic, so that nobody waits for the first answer."""

from collections.abc import Sequence

import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.export.signature import Signature

WARM_UP = "assets.extra/tf_serving_warmup_requests"
# Those of batching_parameters.txt: the server pads a batch to one of them.
BATCH_SIZES = (1, 2, 4, 8, 16, 32)


def write_warm_up(folder: str, model_name: str, signatures: Sequence[Signature]) -> int:
    """Write a request for each signature and allowed batch size into a SavedModel.

    The texts are built-in sentences, never those of a corpus.

    Args:
        folder: str, a SavedModel's folder.
        model_name: str, the name that the server knows the model by.
        signatures: sequence of `Signature`, the default one first.

    Returns:
        The number of requests, an int.

    Raises:
        InputError: tensorflow-serving-api is not installed.

    Example:
        ```python
        write_warm_up("saved_models/news/1", "news", signatures_of(model, length=128, top_k=5, mask_slots=8))
        ```

    References:
        - [SavedModel warm-up](https://www.tensorflow.org/tfx/serving/saved_model_warmup)
    """
    try:
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
    except ImportError as error:
        raise InputError("warm-up requests need tensorflow-serving-api: pip install 'keras-mlm[serving]'") from error

    path = tf.io.gfile.join(folder, WARM_UP)
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    names = [("serving_default", signatures[0]), *((signature.name, signature) for signature in signatures)]
    with tf.io.TFRecordWriter(path) as writer:
        for name, signature in names:
            for size in BATCH_SIZES:
                log = PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = model_name
                request.model_spec.signature_name = name
                for key, values in signature.example(size).items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
                writer.write(log.SerializeToString())
    return len(names) * len(BATCH_SIZES)
