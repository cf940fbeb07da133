"""Rows that hold several texts are the same to the model as the texts each in a row of its own."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer

LENGTH, SLOTS, VOCABULARY = 24, 6, 40
# The texts of each row, in tokens: full ones, one alone, many short ones, an empty row.
ROWS = [[24], [14, 10], [9, 5, 7], [3, 3, 3, 3, 3, 3, 3], [11], []]
STYLES = {
    "classic": {"norm": "post", "position": "learned"},
    "short_budget": {"norm": "pre", "position": "rotary"},
    "modern": {"norm": "pre", "position": "rotary", "gated": True, "biases": False, "layer_norm_epsilon": 1e-6},
    "pre-norm, learned": {"norm": "pre", "position": "learned"},
}


def make(style, **entries):
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": LENGTH}
    config = BertConfig(VOCABULARY, **{**sizes, **STYLES[style], "dropout": 0.0, "next_sentence": False, **entries})
    model = BertPretrainer(config)
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        offset = 1.0 if variable.name == "gamma" else 0.0
        variable.assign(offset + generator.normal(size=variable.shape, scale=0.3))
    return model


def batches(rows=ROWS, seed=0):
    """Return the same texts and masks packed, and each text in a row of its own."""
    generator = np.random.default_rng(seed)
    texts = sum(map(len, rows))
    names = ("token_ids", "sequence_ids", "position_ids")
    packed, single = ({name: np.zeros((count, LENGTH), "int32") for name in names} for count in (len(rows), texts))
    slots = [
        {name: np.zeros((count, SLOTS), "int32") for name in ("positions", "ids", "weights")}
        for count in (len(rows), texts)
    ]
    text = 0
    for row, lengths in enumerate(rows):
        begin = slot = 0
        for number, length in enumerate(lengths):
            ids = generator.integers(5, VOCABULARY, length)
            for part, index, first in ((packed, row, begin), (single, text, 0)):
                part["token_ids"][index, first : first + length] = ids
                part["sequence_ids"][index, first : first + length] = number + 1
                part["position_ids"][index, first : first + length] = np.arange(length)
            # Some texts have no mask at all, and weights differ.
            chosen = generator.choice(length, min(2, length - 1, SLOTS - slot), replace=False) if number != 1 else []
            for place, position in enumerate(sorted(chosen)):
                label, weight = generator.integers(5, VOCABULARY), generator.integers(1, 4)
                for part, index, at, first in ((slots[0], row, slot, begin), (slots[1], text, place, 0)):
                    part["positions"][index, at] = first + position
                    part["ids"][index, at], part["weights"][index, at] = label, weight
                slot += 1
            begin, text = begin + length, text + 1
    results = []
    for part, slot in zip((packed, single), slots, strict=True):
        x = {**part, "segment_ids": 0 * part["token_ids"], "padding_mask": part["sequence_ids"] > 0}
        x["mask_positions"] = slot["positions"]
        results.append((x, {"masked_lm": slot["ids"]}, {"masked_lm": slot["weights"].astype("float32")}))
    for name in ("sequence_ids", "position_ids"):
        del results[1][0][name]
    return results


def loss_and_gradients(model, batch):
    x, y, weights = batch
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), weights)
    return float(loss), [tf.convert_to_tensor(part).numpy() for part in tape.gradient(loss, model.trainable_variables)]


@pytest.mark.parametrize("style", STYLES)
def test_losses_and_gradients_are_those_of_unpacked_rows(style):
    model, (packed, single) = make(style), batches()
    (loss, found), (expected, wanted) = (loss_and_gradients(model, batch) for batch in (packed, single))
    assert loss == pytest.approx(expected, rel=1e-5) and loss > 1
    for variable, one, two in zip(model.trainable_variables, found, wanted, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5 * max(1.0, np.abs(two).max()), err_msg=variable.path)
    states, alone = (model.backbone(batch[0])["sequence_output"].numpy() for batch in (packed, single))
    together = np.concatenate([states[r, : sum(lengths)] for r, lengths in enumerate(ROWS)])
    apart = np.concatenate([alone[t, :length] for t, length in enumerate(itertools.chain(*ROWS))])
    np.testing.assert_allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_a_text_does_not_see_the_others_of_its_row(style):
    model, ((x, _, _), _) = make(style), batches()
    before = model.backbone(x, return_attention_scores=True)
    ids = x["sequence_ids"]
    same = (ids[:, :, None] == ids[:, None, :]) & (ids[:, None, :] > 0)
    scores = before["attention_scores"].numpy()
    seen = np.broadcast_to((same & (ids > 0)[:, :, None])[:, None, None], scores.shape)
    others = np.broadcast_to((~same & (ids > 0)[:, :, None])[:, None, None], scores.shape)
    assert (scores[seen] > 0).all() and (scores[others] == 0).all() and np.isfinite(scores).all()
    changed = {**x, "token_ids": np.where(ids == 2, (x["token_ids"] + 7) % VOCABULARY, x["token_ids"])}
    after = model.backbone(changed)["sequence_output"].numpy()
    before = before["sequence_output"].numpy()
    np.testing.assert_array_equal(before[(ids > 0) & (ids != 2)], after[(ids > 0) & (ids != 2)])
    assert (np.abs(before[ids == 2] - after[ids == 2]).max(axis=-1) > 1e-3).all()


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"recompute": True}, {"micro_batches": 2}])
def test_a_step_on_packed_rows_is_a_step_on_unpacked_ones(options):
    weights = []
    for batch, extra in zip(batches(), (options, {}), strict=True):
        model = make("modern")
        model.compile(keras.optimizers.SGD(0.1), **extra)
        data = tf.data.Dataset.from_tensors(batch).repeat()
        history = model.fit(data, steps_per_epoch=3, verbose=0, shuffle=False).history
        weights.append([*model.get_weights(), np.array(history["loss"])])
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


def test_an_encoder_that_cannot_keep_texts_apart_is_refused():
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.BertBackbone(VOCABULARY, 1, 2, 16, 32, max_sequence_length=LENGTH)
    with pytest.raises(InputError, match="packed=False"):
        BertPretrainer(backbone=backbone)(batches()[0][0])
