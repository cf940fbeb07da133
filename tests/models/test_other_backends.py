import os
import subprocess
import sys

import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer

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


TRAIN = """
import sys
sys.modules["tensorflow"] = None
import keras
import numpy as np
from keras_mlm.config import STYLES, BertConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
generator = np.random.default_rng(0)
ids = generator.integers(1, 20, (4, 9))
inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": np.arange(9) < np.array([[9], [5], [7], [6]])}
texts = {**inputs, "sequence_ids": np.where(inputs["padding_mask"], 1 + (np.arange(9) > 3), 0)}
for style, entries in STYLES.items():
    config = BertConfig(20, 2, 2, 8, 16, **{**entries["model"], "dropout": 0.0})
    backbone = BertPretrainer(config).backbone
    for weight in backbone.trainable_variables:
        weight.assign(generator.normal(0.0, 0.4, weight.shape) + (weight.name == "gamma"))
    for rows in (inputs, texts):
        # Attention in one piece, and, where scores are asked for, the operations one by one.
        whole = np.asarray(backbone(rows)["sequence_output"])[inputs["padding_mask"]]
        single = np.asarray(backbone(rows, return_attention_scores=True)["sequence_output"])[inputs["padding_mask"]]
        np.testing.assert_allclose(whole, single, atol=1e-5)
inputs["mask_positions"] = np.array([[2, 4], [0, 1], [3, 6], [5, 0]])
labels = {"masked_lm": np.take_along_axis(ids, inputs["mask_positions"], 1), "next_sentence": np.array([0, 1, 1, 0])}
weights = {"masked_lm": np.ones((4, 2), "float32"), "next_sentence": np.ones(4, "float32")}
keras.utils.set_random_seed(0)
model = BertPretrainer(BertConfig(20, 2, 2, 8, 16))
model.compile(keras.optimizers.AdamW(1e-2), jit_compile=True)
def rows():
    while True:
        yield inputs, labels, weights
losses = model.fit(rows(), epochs=2, steps_per_epoch=40, verbose=0).history["loss"]
assert losses[1] < 0.8 * losses[0], losses
model.save_weights(sys.argv[1] + "/model.weights.h5")
answers = {name: np.asarray(answer) for name, answer in model(inputs).items()}
np.savez(sys.argv[1] + "/answers.npz", **answers, **{f"inputs_{name}": value for name, value in inputs.items()})
"""


@pytest.mark.slow
def test_what_is_trained_on_jax_answers_the_same_on_tensorflow(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", TRAIN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    model = BertPretrainer(BertConfig(20, 2, 2, 8, 16))
    model.load_weights(tmp_path / "model.weights.h5")
    there = dict(np.load(tmp_path / "answers.npz"))
    inputs = {name.removeprefix("inputs_"): there.pop(name) for name in list(there) if name.startswith("inputs_")}
    for name, answer in model(inputs).items():
        np.testing.assert_allclose(answer, there.pop(name), atol=1e-4)
    assert not there
