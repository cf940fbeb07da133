"""Rows of several corpora in fixed shares, the same however a step is reached."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from record_corpus import random_documents, take, write_corpus

from keras_mlm.config import PretrainingConfig
from keras_mlm.data import row_plan
from keras_mlm.data.mixed_dataset import MixedDataset
from keras_mlm.data.mixture import Mixture
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.errors import InputError

WEIGHTS = (0.7, 0.2, 0.1)
OPTIONS = {"length": 32, "batch_size": 16, "steps": 100, "next_sentence": False}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("corpora")
    return [write_corpus(folder / name, random_documents(60, seed), random_documents(4, 9))
            for seed, name in enumerate("abc")]  # fmt: skip


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(row_plan, "GROUP_TOKENS", 1000)


def mixed(corpora: list[str], weights: tuple[float, ...] = WEIGHTS, **options) -> MixedDataset:
    return MixedDataset(corpora, PretrainingConfig(**{**OPTIONS, **options}, corpus_weights=weights))


@pytest.mark.parametrize(
    "weights", [(0.7, 0.3), (1, 2, 4), (5, 1, 1, 1), (0.997, 0.001, 0.002), (0.6, 0.25, 0.1, 0.05)]
)
def test_every_share_is_exact_to_within_a_row_after_any_number_of_rows(weights):
    mixture, shares = Mixture.of(weights), np.array(weights) / sum(weights)
    rows = np.tile(mixture.pattern, 3)
    had = np.cumsum(rows[:, None] == np.arange(len(weights)), axis=0)
    assert np.abs(had - shares * np.arange(1, len(rows) + 1)[:, None]).max() < 1
    for row in (0, 1, len(mixture.pattern) + 3):
        assert mixture.rows_before(row) == np.bincount(rows[:row], minlength=len(weights)).tolist()
    for corpus in range(len(weights)):
        places = np.flatnonzero(rows == corpus)
        assert mixture.rows_of(corpus, np.arange(len(places))).numpy().tolist() == places.tolist()


def test_weights_of_many_digits_are_refused():
    with pytest.raises(InputError, match="too many digits"):
        Mixture.of([0.333333333, 0.666666667])


def test_rows_are_those_of_each_corpus_in_its_order(corpora):
    batches = take(mixed(corpora).keyed_batches(), 40)
    had = np.cumsum([np.bincount(batch["corpus"], minlength=3) for batch in batches], axis=0)
    assert np.abs(had - np.array(WEIGHTS) * 16 * np.arange(1, 41)[:, None]).max() < 1
    for number, folder in enumerate(corpora):
        alone = PretrainingDataset.from_config(folder, PretrainingConfig(**OPTIONS))
        wanted = take(alone.keyed_batches(), 1 + had[-1, number] // 16)
        for name in wanted[0]:
            part = np.concatenate([batch[name][batch["corpus"] == number] for batch in batches])
            assert np.array_equal(part, np.concatenate([batch[name] for batch in wanted])[: len(part)]), name


@pytest.mark.parametrize(
    "options",
    [
        {"masking": "whole_word", "final_mask_selection_rate": 0.3, "replacements": "unigram"},
        pytest.param({"next_sentence": True}, marks=pytest.mark.slow),
        pytest.param({"packed": True}, marks=pytest.mark.slow),
    ],
)
def test_any_step_and_any_number_of_workers(corpora, options):
    data = mixed(corpora[:2], (2, 1), **options)
    in_one_go = take(data.keyed_batches(), 11)
    shares = [take(data.keyed_batches(9, worker=worker, workers=2), 2) for worker in range(2)]
    for number, batch in enumerate(in_one_go[9:]):
        for name, part in batch.items():
            assert np.array_equal(part, np.concatenate([share[number][name] for share in shares])), name
    x, y, weights = next(iter(data.batches(4)))
    assert np.array_equal(x["token_ids"], in_one_go[4]["token_ids"]) and y.keys() == weights.keys()


def test_another_vocabulary_is_refused_with_the_line_that_differs(corpora, tmp_path):
    other = Path(shutil.copytree(corpora[1], tmp_path / "other"))
    tokens = (other / "vocab.txt").read_text().splitlines()
    (other / "vocab.txt").write_text("\n".join([*tokens[:7], "else", *tokens[8:]]) + "\n")
    with pytest.raises(InputError, match=r"line 8 of .*a.vocab.txt is 't2' and that of .*other.vocab.txt is 'else'"):
        mixed([corpora[0], str(other)], (1, 1))
    (other / "vocab.txt").write_text("\n".join(tokens[:-1]) + "\n")
    with pytest.raises(InputError, match=f"line {len(tokens)} of .* is nothing"):
        mixed([corpora[0], str(other)], (1, 1))
    with pytest.raises(InputError, match="3 corpora need as many"):
        mixed(corpora, (1, 1))
    with pytest.raises(InputError, match="no equal share"):
        mixed(corpora).batches(workers=3)
