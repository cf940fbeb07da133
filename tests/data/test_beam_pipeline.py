"""Apache Beam and this package's own processes: the same records. Skipped where Beam is not installed."""

import importlib.util

import pytest

from keras_mlm.data import document_spool
from keras_mlm.data.manifest import Manifest
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.data.token_record import read_serialized_records
from keras_mlm.errors import InputError

installed = importlib.util.find_spec("apache_beam") is not None


def records(folder):
    manifest = Manifest.load(str(folder))
    return {
        split: [record for path in manifest.shard_paths(str(folder), split) for record in read_serialized_records(path)]
        for split in manifest.splits
    }


@pytest.mark.slow
@pytest.mark.skipif(not installed, reason="Apache Beam is not installed")
def test_beam_gives_the_same_records(make_documents, tmp_path, monkeypatch):
    monkeypatch.setattr(document_spool, "SPLIT_BYTES", 1500)
    documents = make_documents(60)
    prepare_corpus(documents, str(tmp_path / "beam"), vocabulary_size=120, runner="DirectRunner")
    prepare_corpus(documents, str(tmp_path / "here"), vocabulary_size=120)
    for split, expected in records(tmp_path / "here").items():
        assert len(expected) > 1
        assert records(tmp_path / "beam")[split] == expected
    assert (tmp_path / "beam" / "manifest.json").read_bytes() == (tmp_path / "here" / "manifest.json").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not installed, reason="Apache Beam is not installed")
def test_a_runner_that_beam_does_not_know(make_documents, vocabulary, tmp_path):
    with pytest.raises(InputError, match="--runner NoRunner: "):
        prepare_corpus(make_documents(10), str(tmp_path / "data"), vocabulary=vocabulary, runner="NoRunner")
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(installed, reason="Apache Beam is installed")
def test_without_beam(make_documents, vocabulary, tmp_path):
    with pytest.raises(InputError, match=r"pip install 'keras-mlm\[beam\]'"):
        prepare_corpus(make_documents(10), str(tmp_path / "data"), vocabulary=vocabulary, runner="DirectRunner")
    assert not (tmp_path / "data").exists()
