import os
import subprocess
import sys

import pytest

CODE = """
import sys
sys.modules["tensorflow"] = None  # importing it raises
import numpy as np
from keras_mlm.config import BertConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
for norm, position in (("post", "learned"), ("pre", "rotary")):
    config = BertConfig(20, 1, 2, 8, 16, norm=norm, position=position)
    model = BertPretrainer(config)
    ids = np.array([[2, 7, 4, 3, 0]])
    inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids > 0, "mask_positions": np.array([[2, 0]])}
    outputs = model(inputs)
    assert outputs["masked_lm"].shape == (1, 2, 20) and outputs["next_sentence"].shape == (1, 2)
    labels = {"masked_lm": np.array([[7, 0]]), "next_sentence": np.array([1])}
    weights = {"masked_lm": np.array([[1.0, 0.0]]), "next_sentence": np.array([0.0])}
    assert 2.5 < float(model.compute_loss(inputs, labels, outputs, weights)) < 3.5
    assert set(model.compute_metrics(inputs, labels, outputs, weights)) >= {"loss", "perplexity"}
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_model_needs_no_tensorflow(backend):
    # Keras' NumPy backend imports jax, too.
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
