import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.config import PRESETS, STYLES, BertConfig, PretrainingConfig, dump_json
from keras_mlm.errors import InputError


def test_presets_are_the_published_sizes():
    sizes = {
        name: (config.num_layers, config.hidden_dim, config.num_heads, config.intermediate_dim)
        for name in PRESETS
        for config in [BertConfig.from_preset(name, vocabulary_size=100)]
    }
    assert sizes == {
        "tiny": (2, 128, 2, 512),
        "mini": (4, 256, 4, 1024),
        "small": (4, 512, 8, 2048),
        "medium": (8, 512, 8, 2048),
        "base": (12, 768, 12, 3072),
        "large": (24, 1024, 16, 4096),
    }


def test_classic_is_the_paper():
    model = BertConfig.from_preset("base", vocabulary_size=30522)
    assert (model.norm, model.position, model.dropout, model.next_sentence) == ("post", "learned", 0.1, True)
    training = PretrainingConfig.from_style("classic", steps=1)
    assert (training.learning_rate, training.mask_selection_rate, training.weight_decay) == (1e-4, 0.15, 0.01)
    assert (training.clip_norm, training.warmup, training.next_sentence) == (1.0, 0.1, True)


def test_a_short_budget_takes_what_leaves_its_plateau():
    model = BertConfig.from_preset("tiny", style="short_budget", vocabulary_size=100)
    assert (model.norm, model.position) == ("pre", "rotary")


def test_an_override_wins_over_preset_and_style():
    model = BertConfig.from_preset("mini", style="short_budget", vocabulary_size=9, norm="post", num_layers=1)
    assert (model.norm, model.position, model.num_layers) == ("post", "rotary", 1)
    assert PretrainingConfig.from_style("short_budget", steps=5, learning_rate=1.0).learning_rate == 1.0


@pytest.mark.parametrize("style", STYLES)
def test_configs_survive_json(style):
    model = BertConfig.from_preset("tiny", style=style, vocabulary_size=1000)
    assert BertConfig.from_dict(json.loads(dump_json(model.to_dict()))) == model
    training = PretrainingConfig.from_style(style, minutes=2.5)
    assert PretrainingConfig.from_dict(json.loads(dump_json(training.to_dict()))) == training


def test_a_config_from_before_an_entry_reads_and_compares_as_one_of_today():
    config = BertConfig(vocabulary_size=9)
    assert not {"activation", "tie_word_embeddings"} & set(config.to_dict())
    other = BertConfig(vocabulary_size=9, activation="gelu_tanh", tie_word_embeddings=False)
    assert BertConfig.from_dict(json.loads(json.dumps(other.to_dict()))) == other
    with pytest.raises(InputError, match="relu"):
        BertConfig(vocabulary_size=9, activation="relu")


def test_configs_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BertConfig(vocabulary_size=10).num_layers = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BertConfig.from_preset("giant", vocabulary_size=9), ["giant", "tiny, mini, small, medium, base"]),
        (lambda: BertConfig.from_preset("tiny", style="odd", vocabulary_size=9), ["odd", "classic"]),
        (lambda: PretrainingConfig.from_style("odd", steps=1), ["odd", "classic"]),
        (lambda: BertConfig(vocabulary_size=0), ["vocabulary_size", "0"]),
        (lambda: BertConfig(vocabulary_size=9.5), ["vocabulary_size", "9.5"]),
        (lambda: BertConfig(vocabulary_size=True), ["vocabulary_size", "True"]),
        (lambda: BertConfig(vocabulary_size=9, hidden_dim=130, num_heads=4), ["130", "4"]),
        (lambda: BertConfig(vocabulary_size=9, hidden_dim=12, num_heads=4, position="rotary"), ["rotary", "3"]),
        (lambda: BertConfig(vocabulary_size=9, norm="middle"), ["middle", "pre"]),
        (lambda: BertConfig(vocabulary_size=9, position="none"), ["none", "rotary"]),
        (lambda: BertConfig(vocabulary_size=9, dropout=1.0), ["dropout", "1.0"]),
        (lambda: PretrainingConfig(), ["steps", "minutes"]),
        (lambda: PretrainingConfig(steps=1, minutes=1), ["steps", "minutes"]),
        (lambda: PretrainingConfig(steps=0), ["steps", "0"]),
        (lambda: PretrainingConfig(minutes=0), ["minutes", "0"]),
        (lambda: PretrainingConfig(steps=1, length=7), ["length", "7"]),
        (lambda: PretrainingConfig(steps=1, batch_size=0), ["batch_size", "0"]),
        (lambda: PretrainingConfig(steps=1, masking="words"), ["words", "whole_word"]),
        (lambda: PretrainingConfig(steps=1, mask_selection_rate=1.0), ["mask_selection_rate", "1.0"]),
        (lambda: PretrainingConfig(steps=1, mask_selection_length=0), ["mask_selection_length", "0"]),
        (lambda: PretrainingConfig(steps=1, warmup=1), ["warmup", "1"]),
        (lambda: PretrainingConfig(steps=1, learning_rate=0), ["learning_rate", "0"]),
        (lambda: PretrainingConfig(minutes=1, deterministic=True), ["deterministic", "steps"]),
        (lambda: BertConfig.from_dict({"vocabulary_size": 9, "relu": True}), ["relu", "num_layers"]),
        (lambda: PretrainingConfig(steps=1, schedule="steps"), ["schedule", "one_cycle", "steps"]),
        (lambda: PretrainingConfig(steps=1, batch_size=6, micro_batches=4), ["6", "4"]),
        (lambda: BertConfig.from_dict({}), ["vocabulary_size"]),
        (lambda: PretrainingConfig.from_dict({"steps": 1, "epochs": 3}), ["epochs", "warmup"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(make, words):
    with pytest.raises(InputError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@given(st.integers(8, 2048), st.floats(0.01, 0.99))
def test_predictions_are_the_rate_times_the_length_rounded_up(length, rate):
    config = PretrainingConfig(steps=1, length=length, mask_selection_rate=rate)
    assert config.predictions == math.ceil(rate * length)
    assert PretrainingConfig(steps=1, length=length, mask_selection_length=7).predictions == 7


def test_modern_packs_its_rows_unless_they_are_sentence_pairs():
    assert PretrainingConfig.from_style("modern", steps=1).packed
    assert not PretrainingConfig.from_style("modern", steps=1, next_sentence=True).packed
    assert not PretrainingConfig.from_style("classic", steps=1, next_sentence=False).packed
    with pytest.raises(InputError, match="packed rows hold no sentence pairs"):
        PretrainingConfig(steps=1, packed=True)


def test_a_run_that_grows_has_two_stages_with_as_many_tokens_a_step():
    plain = PretrainingConfig(steps=1, batch_size=24)
    assert plain.stages == (plain,) and plain.stage_ends == ()
    grown = PretrainingConfig(steps=1, batch_size=24, micro_batches=2, final_length=512)
    shapes = [(stage.length, stage.batch_size, stage.predictions) for stage in grown.stages]
    assert shapes == [(128, 24, 20), (512, 6, 77)]
    assert grown.stage_ends == (0.9,) and grown.stages[0] == dataclasses.replace(plain, micro_batches=2)
    for entries, message in (
        ({"final_length": 128}, "multiple of the length 128, not 128"),
        ({"final_length": 512, "batch_size": 20, "micro_batches": 2}, "in 2 micro_batches: the next .* can is 24"),
    ):
        with pytest.raises(InputError, match=message):
            PretrainingConfig(steps=1, **entries)


def test_json_files_are_strict_and_readable():
    assert dump_json({"text": "中文"}) == '{\n  "text": "中文"\n}\n'
    with pytest.raises(ValueError):
        dump_json({"loss": float("nan")})


def test_the_rate_of_masks_goes_on_through_the_stages():
    config = PretrainingConfig(steps=100, mask_selection_rate=0.3, final_mask_selection_rate=0.1, final_length=512)
    short, long = config.stages
    assert (short.mask_selection_rate, long.final_mask_selection_rate) == (0.3, 0.1)
    assert short.final_mask_selection_rate == long.mask_selection_rate == pytest.approx(0.12)
    assert (short.steps, long.steps) == (90, 10)
    assert config.predictions == short.predictions == 39 and long.predictions == 62
    rising = PretrainingConfig(steps=100, final_mask_selection_rate=0.3)
    assert rising.predictions == 39 and rising.stages == (rising,)


def test_a_rate_of_masks_that_changes_needs_steps():
    with pytest.raises(InputError, match="final_mask_selection_rate needs steps"):
        PretrainingConfig(minutes=1.0, final_mask_selection_rate=0.15)
    with pytest.raises(InputError, match="final_mask_selection_rate must be between 0 and 1"):
        PretrainingConfig(steps=1, final_mask_selection_rate=1.5)


def test_the_shares_of_corpora_are_saved_and_checked():
    config = PretrainingConfig(steps=1, corpus_weights=(0.7, 0.3), adaptive_masking=True)
    assert PretrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert not {"corpus_weights", "adaptive_masking"} & PretrainingConfig(steps=1).to_dict().keys()
    for wrong in ((1.0,), (1.0, 0.0), (1.0, float("nan"))):
        with pytest.raises(InputError, match="corpus_weights must be two or more, all above 0"):
            PretrainingConfig(steps=1, corpus_weights=wrong)
