import keras
import numpy as np

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.training.optimizers import adamw


def test_only_matrices_decay():
    config = PretrainingConfig(steps=1, weight_decay=0.5, learning_rate=0.1)
    model = BertPretrainer(BertConfig.from_preset("tiny", vocabulary_size=50, num_layers=1, norm="pre"))
    optimizer = adamw(config)
    optimizer.build(model.trainable_variables)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones_like(variable))
    optimizer.apply([keras.ops.zeros_like(v) for v in model.trainable_variables])
    for variable, start in zip(model.trainable_variables, before, strict=True):
        # A norm's scale and every bias are vectors, everything else is a matrix or more.
        expected = 0.95 if start.ndim > 1 and variable.name != "bias" else 1.0
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected, rtol=1e-6, err_msg=variable.path)


def test_gradients_are_clipped_together():
    config = PretrainingConfig(steps=1, clip_norm=1.0)
    assert adamw(config).global_clipnorm == 1.0
