"""Run every signature of a SavedModel through the TF 1 loader, in a process that knows TensorFlow and its text only.

    python run_signatures.py FOLDER REQUESTS.npz ANSWERS.npz

Requests and answers are arrays named `signature/tensor`. It runs under old versions too: keep it plain.
"""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_text

folder, requests, answers = sys.argv[1:]
given, found = dict(np.load(requests)), {}
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    signatures = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def
    for name in sorted({key.split("/")[0] for key in given}):
        signature = signatures[name]
        feed = {info.name: given[name + "/" + key] for key, info in signature.inputs.items()}
        fetches = {key: info.name for key, info in signature.outputs.items()}
        for key, value in session.run(fetches, feed).items():
            found[name + "/" + key] = value.astype(np.bytes_) if value.dtype == object else value
unexpected = [name for name in sys.modules if name.split(".")[0] in ("keras_mlm", "keras_hub")]
if unexpected:
    raise SystemExit("loaded too: " + ", ".join(unexpected))
np.savez(answers, **found)
sys.stdout.write(f"{tf.__version__} {tensorflow_text.__version__}\n")
