"""The corpora of these tests; lets them import `small_corpus`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_corpus import random_documents, write_records

from keras_mlm.inspection import token_batches
from keras_mlm.inspection.corpus_inspection import CorpusInspection


@pytest.fixture(scope="session")
def documents() -> dict[str, list[list[list[int]]]]:
    training = random_documents(70, 1)
    return {"training": training, "validation": [*random_documents(8, 2), training[3]]}


@pytest.fixture(scope="session")
def corpus(documents, tmp_path_factory) -> str:
    return write_records(tmp_path_factory.mktemp("corpus"), documents)


@pytest.fixture(scope="session")
def inspection(corpus) -> CorpusInspection:
    # Batches of three records: documents and copies run across them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_batches, "_RECORDS", 3)
        return CorpusInspection.read(corpus, lengths=(24,), seed=3)
