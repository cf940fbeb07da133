"""An iterator that is deleted waits for the thread that tunes its pipeline, now and then for a minute."""

import numpy as np
import pytest
from record_corpus import random_documents, write_corpus

from keras_mlm.config import PretrainingConfig
from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.data.mixed_dataset import MixedDataset
from keras_mlm.data.pretraining_dataset import PretrainingDataset

ROWS = [{"token_ids": np.array([2, 3], "int32"), "segment_ids": np.zeros(2, "int32")}] * 4
MIXED = PretrainingConfig(steps=9, length=64, batch_size=8, corpus_weights=(1.0, 1.0))


@pytest.mark.parametrize(
    "batches",
    [
        lambda corpus: PretrainingDataset(corpus, length=64, batch_size=8).batches(),
        lambda corpus: PretrainingDataset(corpus, split="validation", length=64, batch_size=8).batches(),
        lambda corpus: MixedDataset([corpus, corpus], MIXED).batches(),
        lambda corpus: labelled_batches(ROWS, np.zeros(4, int), batch_size=2),
    ],
)
def test_what_fit_is_given_is_not_tuned(batches, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", random_documents(9, 1), random_documents(3, 2))
    assert batches(corpus).options().autotune.enabled is False
