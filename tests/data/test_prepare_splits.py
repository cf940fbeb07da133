"""A preparation that is split: over processes, over attempts, and over a change of its text."""

import pickle
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from record_corpus import digests

from keras_mlm.data import document_spool
from keras_mlm.data.documents import Document
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.split_preparer import SplitPreparer
from keras_mlm.data.worker_pool import WorkerDied
from keras_mlm.tokenizers.annotator import Annotator


@pytest.fixture
def small_splits(monkeypatch):
    """Splits of a few documents."""
    monkeypatch.setattr(document_spool, "SPLIT_BYTES", 1500)


@pytest.fixture
def prepared(monkeypatch):
    """The splits that are tokenized in this process."""
    numbers = []
    call = SplitPreparer.__call__

    def spy(self, task):
        call(self, task)
        numbers.append(task.number)

    monkeypatch.setattr(SplitPreparer, "__call__", spy)
    return numbers


@pytest.fixture
def annotator(tmp_path, monkeypatch):
    """An annotator that other processes can import; it knows tags that later splits have first."""
    (tmp_path / "the_words.py").write_text(
        textwrap.dedent(
            """
            import os, pathlib, signal

            def annotate(texts):
                if any("Deadly" in text for text in texts) and pathlib.Path(__file__).with_name("armed").exists():
                    os.kill(os.getpid(), signal.SIGKILL)
                words = [text.split() for text in texts]
                return words, [[word[0].lower() for word in of_text] for of_text in words]
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Annotator("first letters", __import__("the_words").annotate)
    sys.modules.pop("the_words")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Shards that end elsewhere than splits do."""
    monkeypatch.setattr(ShardWriter.__init__, "__defaults__", (4000,))


@pytest.mark.parametrize("annotated", [False, True])
def test_splits_change_nothing(make_documents, tmp_path, monkeypatch, annotator, annotated):
    options = {"vocabulary_size": 120, "annotator": annotator if annotated else None}
    documents = make_documents(60)
    prepare_corpus(documents, str(tmp_path / "whole"), **options)
    monkeypatch.setattr(document_spool, "SPLIT_BYTES", 700)
    prepare_corpus(documents, str(tmp_path / "split"), **options)
    assert digests(tmp_path / "whole") == digests(tmp_path / "split")
    assert (tmp_path / "whole" / "training-00002.tfrecord").exists()
    assert {path.name for path in (tmp_path / "split").iterdir() if path.is_dir()} == set()


def killed(folder, documents):
    """Prepare documents in a process that is killed when it has finished three splits and begun the fourth."""
    script = """
        import os, pathlib, pickle, signal, sys
        from keras_mlm.data import document_spool
        from keras_mlm.data.prepare_corpus import prepare_corpus
        from keras_mlm.data.prepared_part import PreparedPart
        from keras_mlm.data.shard_writer import ShardWriter

        document_spool.SPLIT_BYTES = 1500
        ShardWriter.__init__.__defaults__ = (4000,)
        save, saved = PreparedPart.save, []

        def save_three(part, path):
            if len(saved) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            save(part, path)
            saved.append(path)

        PreparedPart.save = save_three
        prepare_corpus(pickle.load(sys.stdin.buffer), sys.argv[1], vocabulary_size=120)
        """
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder)]
    done = subprocess.run(command, input=pickle.dumps(documents), capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_a_killed_preparation_goes_on(make_documents, tmp_path, small_splits, prepared, caplog):
    caplog.set_level("INFO", "keras_mlm")
    documents = make_documents(60)
    folder = tmp_path / "data"
    killed(folder, documents)
    assert [path.name for path in folder.iterdir()] == [".partial"]
    assert len(list(folder.glob(".partial/part-*.json"))) == 3
    shutil.copytree(folder, tmp_path / "changed")
    shutil.copytree(folder, tmp_path / "damaged")
    prepare_corpus(documents, str(folder), vocabulary_size=120)
    assert prepared == [4, 5, 6, 7, 8, 9]
    assert "3 of 9 splits are finished" in caplog.text
    assert "Training a vocabulary" not in caplog.text and "changed" not in caplog.text
    prepare_corpus(documents, str(tmp_path / "whole"), vocabulary_size=120)
    whole = digests(tmp_path / "whole")
    assert digests(folder) == whole

    # A part that is not what was written is done again.
    prepared.clear()
    for part in sorted((tmp_path / "damaged" / ".partial").glob("part-*.tfrecord"))[:1]:
        part.write_bytes(part.read_bytes()[:-1] + b"?")
    prepare_corpus(documents, str(tmp_path / "damaged"), vocabulary_size=120)
    assert len(prepared) == 7
    assert digests(tmp_path / "damaged") == whole

    # Where the text is another one now, a message says so, and nothing of the old one stays.
    documents[14] = Document("other.txt", 7, documents[14].lines[::-1])
    caplog.clear()
    prepare_corpus(documents, str(tmp_path / "changed"), vocabulary_size=120)
    assert (
        "the text changed since the preparation that was stopped, at or after split 2, which begins at made, line 9:"
        in caplog.text
    )
    prepare_corpus(documents, str(tmp_path / "changed-whole"), vocabulary_size=120)
    assert digests(tmp_path / "changed") == digests(tmp_path / "changed-whole") != whole


@pytest.mark.slow
def test_a_dying_worker_and_the_next_run(make_documents, vocabulary, tmp_path, small_splits, prepared, annotator):
    documents = make_documents(60)
    documents[57] = Document("made", 58, ["Deadly but short."])
    folder, options = tmp_path / "data", {"vocabulary": vocabulary, "annotator": annotator}
    (tmp_path / "armed").touch()
    with pytest.raises(WorkerDied, match=r"killed by signal 9 while it prepared split 9, which begins at made, line "):
        prepare_corpus(documents, str(folder), workers=2, **options)
    assert len(list(folder.glob(".partial/part-*.json"))) >= 7
    assert [path.name for path in folder.iterdir()] == [".partial"]
    (tmp_path / "armed").unlink()
    prepare_corpus(documents, str(folder), workers=1, **options)
    assert 9 in prepared and len(prepared) <= 2
    prepare_corpus(documents, str(tmp_path / "whole"), workers=1, **options)
    assert digests(folder) == digests(tmp_path / "whole")


@pytest.mark.slow
def test_three_workers_give_the_bytes_of_one(make_documents, tmp_path, small_splits, prepared, annotator):
    documents = make_documents(60)
    prepare_corpus(documents, str(tmp_path / "one"), vocabulary_size=120, annotator=annotator)
    assert prepared == list(range(1, 10))
    prepare_corpus(documents, str(tmp_path / "three"), vocabulary_size=120, annotator=annotator, workers=3)
    assert len(prepared) == 9
    assert digests(tmp_path / "one") == digests(tmp_path / "three")


def test_one_process_for_a_small_corpus(make_documents, vocabulary, tmp_path, small_splits, prepared):
    prepare_corpus(make_documents(20), str(tmp_path / "data"), vocabulary=vocabulary)
    assert prepared == [1, 2, 3]


def test_an_annotator_of_a_script_works_in_one_process(make_documents, vocabulary, tmp_path, small_splits, prepared):
    annotator = Annotator("spaces", lambda texts: ([text.split() for text in texts], None))
    prepare_corpus(make_documents(20), str(tmp_path / "data"), vocabulary=vocabulary, annotator=annotator, workers=2)
    assert prepared == [1, 2, 3]
