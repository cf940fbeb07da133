import keras
import numpy as np

from keras_mlm.config import BertConfig, PretrainingConfig
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.training.layerwise_adamw import LayerwiseAdamW
from keras_mlm.training.optimizers import optimizer_from


def classifier():
    keras.utils.set_random_seed(0)
    sizes = {"num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 16, "norm": "pre"}
    return BertTextClassifier(BertConfig(30, num_layers=3, **sizes), ["a", "b"])


def changes(optimizer, steps=3):
    """Return by how much each variable has moved after some steps along one gradient."""
    model = classifier()
    optimizer.build(model.trainable_variables)
    draw = np.random.default_rng(0)
    gradients = [keras.ops.convert_to_tensor(draw.normal(size=v.shape), "float32") for v in model.trainable_variables]
    start = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    for _ in range(steps):
        optimizer.apply(gradients)
    return {v.path: keras.ops.convert_to_numpy(v) - s for v, s in zip(model.trainable_variables, start, strict=True)}


def test_with_a_decay_of_one_it_is_the_pretraining_optimizer():
    plain = changes(optimizer_from(PretrainingConfig(steps=1, learning_rate=0.01, weight_decay=0.1)))
    ours = changes(LayerwiseAdamW(0.01, num_layers=3, weight_decay=0.1))
    for path, change in plain.items():
        np.testing.assert_allclose(ours[path], change, rtol=1e-4, atol=1e-7, err_msg=path)


def test_each_layer_moves_by_its_share_and_decays_by_it():
    one = {"num_layers": 3, "weight_decay": 0.1}
    plain, scaled = changes(LayerwiseAdamW(0.01, **one), 1), changes(LayerwiseAdamW(0.01, layer_decay=0.5, **one), 1)
    shares = {"embeddings/": 1 / 16, "encoder_block_0/": 1 / 8, "encoder_block_1/": 1 / 4, "encoder_block_2/": 1 / 2,
              "final_norm/": 1, "pooled_dense/": 1, "bert_text_classifier/dense/": 1}  # fmt: skip
    seen = set()
    for path, change in plain.items():
        (name,) = [name for name in shares if name in path]
        seen.add(name)
        np.testing.assert_allclose(scaled[path], shares[name] * change, rtol=1e-3, atol=1e-7, err_msg=path)
    assert seen == set(shares)


def test_it_is_built_again_from_its_config():
    optimizer = LayerwiseAdamW(1e-3, num_layers=4, layer_decay=0.7, weight_decay=0.05)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.num_layers, again.layer_decay, again.weight_decay) == (4, 0.7, 0.05)
    assert again.get_config() == optimizer.get_config()
