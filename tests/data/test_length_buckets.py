"""Batches of rows of similar length: the same rows and masks as ever, in another order and without most padding."""

import numpy as np
import pytest
from record_corpus import random_documents, take, write_corpus

from keras_mlm.config import PretrainingConfig
from keras_mlm.data import row_plan
from keras_mlm.data.length_buckets import LengthBuckets
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.token_weights import TokenWeights
from keras_mlm.errors import InputError

LENGTH, BATCH = 64, 8
PAIRS, TEXTS = {"masking": "whole_word", "seed": 5}, {"next_sentence": False, "seed": 5}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), random_documents(200, 1), random_documents(9, 2))


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """Groups of a few shards, so that an epoch has many, and batches that two of them share."""
    monkeypatch.setattr(row_plan, "GROUP_TOKENS", 2000)


def dataset(folder, **options):
    return PretrainingDataset(folder, **{"length": LENGTH, "batch_size": BATCH, "length_buckets": 4, **options})


def contents(batches, epochs):
    """What each row of some epochs holds, by its key, without padding and free mask slots."""
    rows = {}
    for batch in batches:
        for place, (epoch, index) in enumerate(zip(batch["epoch"], batch["example_index"], strict=True)):
            if epoch < epochs:
                row = {name: part[place] for name, part in batch.items()}
                tokens, slots = row["padding_mask"], row["mask_weights"] > 0
                assert (epoch, index) not in rows
                rows[epoch, index] = {
                    name: part[slots] if name.startswith("mask_") else part[tokens] if np.ndim(part) else part
                    for name, part in row.items()
                }
    return rows


def assert_equal(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for name, part in a.items():
            np.testing.assert_array_equal(part, b[name], name)


@pytest.mark.parametrize(
    "options", [PAIRS, {**PAIRS, "sentence_pairs": "order"}, TEXTS, {**TEXTS, "mask_selection_length": 3}]
)
def test_an_epoch_has_the_same_rows_with_the_same_masks(corpus, options):
    data, plain = dataset(corpus, **options), dataset(corpus, **options, length_buckets=1)
    steps = -(-2 * data.rows // BATCH)
    assert data._plan.groups > 3 and data.rows == plain.rows and data.rows % BATCH
    batches = take(data.keyed_batches(), steps)
    rows, wanted = contents(batches, 2), contents(take(plain.keyed_batches(), steps), 2)
    assert len(rows) == 2 * data.rows
    assert_equal([rows[key] for key in wanted], list(wanted.values()))
    # In another order, which is another one in the next epoch.
    first, second = ([index for epoch, index in rows if epoch == number] for number in (0, 1))
    assert first != second and first != [index for epoch, index in wanted if epoch == 0]


@pytest.mark.parametrize("options", [PAIRS, TEXTS])
def test_batches_have_few_lengths_and_little_padding(corpus, options):
    data = dataset(corpus, **options)
    batches = take(data.keyed_batches(), 3 * data.rows // BATCH)
    widths = [batch["token_ids"].shape[1] for batch in batches]
    # A pair of few sentences is rare, and one of a single sentence is filled up with another text.
    assert set(widths) == ({32, 48, 64} if options is PAIRS else {16, 32, 48, 64})
    for batch, width in zip(batches, widths, strict=True):
        assert batch["mask_ids"].shape == batch["mask_positions"].shape == (BATCH, -(-width * 15 // 100))
    # Short ones come all the time, not at the end of a group.
    assert np.ptp(np.flatnonzero(np.array(widths) < LENGTH)) > 0.9 * len(widths)
    changes = np.mean(np.diff(widths) != 0)
    assert 0.3 < changes < 1
    padding, before = (
        1 - np.mean(np.concatenate([batch["padding_mask"].ravel() for batch in some]))
        for some in (batches, take(dataset(corpus, **options, length_buckets=1).keyed_batches(), len(batches)))
    )
    assert padding < 0.5 * before


def test_the_mean_length_is_that_of_the_batches(corpus):
    data = dataset(corpus, **TEXTS)
    exact = np.mean([min(bound for bound in (16, 32, 48, 64) if bound >= len(row["token_ids"]))
                     for row in contents(take(data.keyed_batches(), -(-data.rows // BATCH)), 1).values()])  # fmt: skip
    assert data.padded_length == pytest.approx(exact) and data.tokens_a_row < exact < LENGTH
    assert dataset(corpus, **TEXTS, length_buckets=1).padded_length == LENGTH


@pytest.mark.parametrize(("options", "workers"), [(PAIRS, 2), (TEXTS, 4)])
def test_any_step_and_any_number_of_workers(corpus, options, workers):
    data = dataset(corpus, **options)
    full = take(data.keyed_batches(), 2 * data.rows // BATCH)
    for step in (1, data.rows // BATCH):
        assert_equal(take(dataset(corpus, **options).keyed_batches(step), 3), full[step : step + 3])
    shares = [take(data.keyed_batches(7, worker=worker, workers=workers), 60) for worker in range(workers)]
    joined = [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
              for parts in zip(*shares, strict=True)]  # fmt: skip
    assert_equal(joined, full[7:67])
    x, y, weights = next(iter(data.batches(3)))
    np.testing.assert_array_equal(x["token_ids"], full[3]["token_ids"])
    assert y["masked_lm"].shape == weights["masked_lm"].shape == full[3]["mask_ids"].shape


def test_masks_that_depend_on_the_step(corpus):
    falling = {"mask_selection_rate": 0.3, "final_mask_selection_rate": 0.1, "steps": 40}
    for step, batch in enumerate(take(dataset(corpus, **TEXTS, **falling).keyed_batches(), 60)):
        rate = max(0.1, 0.3 - 0.2 * step / 40)
        wanted = [max(1, round(rate * int(tokens))) for tokens in batch["padding_mask"].sum(1)]
        np.testing.assert_array_equal(batch["mask_weights"].sum(1), wanted)
    weights = TokenWeights(PretrainingDataset(corpus).manifest.vocabulary_size)
    late = take(dataset(corpus, **TEXTS, token_weights=weights).keyed_batches(), 40)
    assert_equal(late, take(dataset(corpus, **TEXTS).keyed_batches(), 40))


def test_a_batch_larger_than_groups_is_of_the_whole_length(corpus):
    data = dataset(corpus, **TEXTS, batch_size=100)
    batches = take(data.keyed_batches(), -(-data.rows // 100))
    assert data._plan.epoch_rows / data._plan.groups < 100
    assert {batch["token_ids"].shape for batch in batches} == {(100, LENGTH)}
    assert len(contents(batches, 1)) == data.rows


def test_bounds_are_equal_parts_rounded_up():
    assert LengthBuckets(PretrainingConfig(length=100, length_buckets=3, steps=1), 0).bounds == [34, 67, 100]


def test_what_buckets_cannot_be_used_with(corpus):
    with pytest.raises(InputError, match="leave out either packed or length_buckets"):
        dataset(corpus, next_sentence=False, packed=True)
    with pytest.raises(InputError, match="leave out either corpus_weights or length_buckets"):
        PretrainingConfig(steps=1, length_buckets=2, corpus_weights=(1, 2))
    for wrong in (0, 9):
        with pytest.raises(InputError, match=f"length_buckets must be 1 to 8, .* not {wrong}"):
            dataset(corpus, length_buckets=wrong)
    with pytest.raises(InputError, match="length_buckets are for the training split"):
        dataset(corpus, split="validation")
    # The style packs rows where nothing else is asked for; held-out rows are those of every run.
    config = PretrainingConfig.from_style("modern", length_buckets=2, steps=1)
    assert not config.packed and PretrainingConfig.from_style("modern", steps=1).packed
    held_out = PretrainingDataset.from_config(corpus, config, "validation")
    assert next(iter(held_out.batches()))[0]["token_ids"].shape == (64, 128)
    assert PretrainingDataset.from_config(corpus, config).padded_length < 128
