import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.errors import InputError
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.training import fine_tuning
from keras_mlm.training.fine_tuning import FineTuning

CONFIG = BertConfig(20, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=16, max_sequence_length=16)


def test_what_is_given_stays_and_the_rest_follows_model_and_data():
    tiny = FineTuning.for_model(BertConfig.from_preset("tiny", vocabulary_size=9), 8000)
    base = FineTuning.for_model(BertConfig.from_preset("base", vocabulary_size=9), 8000)
    few = FineTuning.for_model(BertConfig.from_preset("base", vocabulary_size=9), 500)
    assert tiny.learning_rate > 10 * base.learning_rate and base.learning_rate == pytest.approx(3e-5)
    assert tiny.epochs > base.epochs >= 3 and few.epochs > base.epochs
    given = FineTuning.for_model(CONFIG, 100, epochs=2, dropout=0.0, layer_decay=None)
    assert (given.epochs, given.dropout, given.layer_decay) == (2, 0.0, tiny.layer_decay)
    assert FineTuning.for_model(CONFIG, 100, pretrained=False).layer_decay == 1.0
    words = FineTuning.for_model(BertConfig.from_preset("tiny", vocabulary_size=9), 8000, tags=True)
    assert words.batch_size < tiny.batch_size and words.dropout < tiny.dropout


def test_pairs_keep_what_small_models_know_of_two_texts():
    small, wide = (BertConfig.from_preset(preset, vocabulary_size=9) for preset in ("tiny", "base"))
    texts, pairs = (FineTuning.for_model(small, 18000, pairs=pairs) for pairs in (False, True))
    assert pairs.learning_rate < texts.learning_rate / 2 and pairs.dropout < texts.dropout
    assert 3 <= pairs.epochs < texts.epochs
    # There is nothing to keep in random weights, and wide models take a low rate anyway.
    for config, pretrained in ((small, False), (wide, True)):
        one, other = (FineTuning.for_model(config, 18000, pretrained=pretrained, pairs=p) for p in (False, True))
        assert one == other


@pytest.mark.parametrize(("tags", "mini"), [(False, 1.2e-3), (True, 1.1e-3)])
def test_wider_models_take_lower_rates_and_those_between_two_widths_what_is_between(tags, mini):
    configs = [BertConfig(9, num_layers=1, num_heads=2, hidden_dim=width) for width in (64, 128, 256, 512, 768, 1024)]
    rates = [FineTuning.for_model(config, 8000, tags=tags).learning_rate for config in configs]
    assert rates[0] == rates[1] and rates[4] == rates[5] == pytest.approx(6e-5 if tags else 3e-5)
    assert rates[1] > rates[2] > rates[3] > rates[4] and rates[2] == pytest.approx(mini)
    # A straight line of logarithms: 512 is log(2) of log(3) of the way from 256 to 768.
    assert rates[3] == pytest.approx(rates[2] * (rates[4] / rates[2]) ** (np.log(2) / np.log(3)))


@pytest.mark.parametrize("tags", [False, True])
def test_few_examples_are_steps_enough_to_learn_and_to_wait_for_a_better_epoch(tags):
    tiny = BertConfig.from_preset("tiny", vocabulary_size=9)
    for examples in (45, 180, 900):
        few = FineTuning.for_model(tiny, examples, tags=tags)
        in_an_epoch = examples / few.batch_size
        assert few.epochs * in_an_epoch >= (100 if tags else 250)
        assert few.patience * in_an_epoch >= min(300, 0.99 * few.epochs * in_an_epoch)
    assert FineTuning.for_model(tiny, 8000, tags=tags).patience == 5


def test_half_precision_is_for_long_training_where_the_cpu_has_it(monkeypatch):
    tiny, mini = (BertConfig.from_preset(preset, vocabulary_size=9) for preset in ("tiny", "mini"))
    for precision in ("mixed_bfloat16", "float32"):
        monkeypatch.setattr(fine_tuning, "fastest_precision", lambda found=precision: found)
        assert FineTuning.for_model(mini, 8000).precision == FineTuning.for_model(tiny, 8000).precision == precision
        assert FineTuning.for_model(mini, 200).precision == FineTuning.for_model(tiny, 1000).precision == "float32"
    assert FineTuning.for_model(mini, 200, precision="mixed_bfloat16").precision == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("epochs", 0),
        ("patience", 0),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("layer_decay", 1.5),
        ("dropout", 1.0),
        ("precision", "mixed_float16"),
    ],
)
def test_what_no_run_can_have_is_named_as_the_option(entry, value):
    with pytest.raises(InputError, match="--" + entry.replace("_", "-")):
        FineTuning.for_model(CONFIG, 100, **{entry: value})


def test_scores_of_any_kind_choose_the_epoch_whose_weights_are_kept():
    keras.utils.set_random_seed(0)
    model = BertTextClassifier(CONFIG, ["a", "b"])
    rows = [{"token_ids": np.array([2, n % 15 + 5, 3], "int32"), "segment_ids": np.zeros(3, "int32")} for n in range(8)]
    given, seen = iter([(0.5, 2.0), (0.7, 1.0), (0.7, 0.9), (0.6, 0.1), (0.7, 0.9)]), []

    def score():
        seen.append(model.get_weights())
        return dict(zip(("f1", "loss"), next(given), strict=True))

    tuning = FineTuning.for_model(CONFIG, 8, epochs=10, patience=2, batch_size=4)
    model.compile(tuning.optimizer(CONFIG))
    callbacks = tuning.callbacks(rows, score, "f1")
    batches = labelled_batches(rows, np.arange(8) % 2, batch_size=4)
    history = model.fit(batches, epochs=tuning.epochs, shuffle=False, verbose=0, callbacks=callbacks).history
    assert history["val_f1"] == [0.5, 0.7, 0.7, 0.6, 0.7]  # an equal one is no better one: it stops
    assert callbacks[1].epoch == 2  # as good as the one before, and surer
    for kept, best in zip(model.get_weights(), seen[2], strict=True):
        np.testing.assert_array_equal(kept, best)
    assert any((a != b).any() for a, b in zip(seen[2], seen[4], strict=True))
