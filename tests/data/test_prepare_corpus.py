import errno
import itertools
import json

import pytest
import tensorflow as tf
from record_corpus import digests

from keras_mlm.data import prepare_corpus as module
from keras_mlm.data import word_counter
from keras_mlm.data.documents import Document, read_documents
from keras_mlm.data.fingerprints import is_telling, normalize
from keras_mlm.data.left_out import LeftOut
from keras_mlm.data.manifest import Manifest
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.data.token_record import read_records
from keras_mlm.errors import InputError, Interrupted, RunError
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


def texts(folder, split):
    """The documents of a split as normalised token strings, by document id."""
    manifest = Manifest.load(folder)
    tokenizer = WordPieceTokenizer.load(folder)
    documents: dict[int, list[str]] = {}
    for path in manifest.shard_paths(folder, split):
        for record in read_records(path, manifest.token_dtype):
            tokens = [tokenizer.id_to_token(int(token)) for token in record.token_ids]
            documents.setdefault(record.document_id, []).extend(tokens)
    return {key: " ".join(tokens).replace(" ##", "") for key, tokens in documents.items()}


def test_what_is_prepared(make_documents, vocabulary, tmp_path):
    folder = str(tmp_path / "data")
    documents = make_documents(100)
    manifest = prepare_corpus(iter(documents), folder, vocabulary=vocabulary, sources="made")
    assert Manifest.load(folder) == manifest
    assert WordPieceTokenizer.load(folder).vocabulary == vocabulary
    assert manifest.counts == {
        "documents": 100,
        "documents_read": 100,
        "duplicate_documents": 0,
        "excluded_documents": 0,
        "training_unknown_tokens": 0,
        "validation_documents_left_out": 0,
        "validation_sentences_left_out": 0,
        "validation_unknown_tokens": 0,
    }
    training, validation = texts(folder, "training"), texts(folder, "validation")
    assert (len(training), len(validation)) == (95, 5)
    assert not training.keys() & validation.keys()
    expected = {" ".join(document.lines).lower().replace(".", " .") for document in documents}
    assert {*training.values(), *validation.values()} == expected
    for name, found in (("training", training), ("validation", validation)):
        split = manifest.splits[name]
        assert (split.documents, split.sentences) == (len(found), 4 * len(found))
        lengths = [
            len(record.token_ids)
            for path in manifest.shard_paths(folder, name)
            for record in read_records(path, manifest.token_dtype)
        ]
        assert split.tokens == sum(lengths)
        histogram = sorted(itertools.chain(*(shard.record_lengths for shard in split.shards)))
        assert sorted(lengths) == [length for length, count in histogram for _ in range(count)]


def test_the_same_command_gives_the_same_bytes(make_documents, tmp_path):
    documents = make_documents(60)
    for name in ("one", "two"):
        prepare_corpus(documents, str(tmp_path / name), vocabulary_size=120)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_finished_folder_is_not_prepared_again(make_documents, vocabulary, tmp_path):
    folder = str(tmp_path / "data")
    made = prepare_corpus(make_documents(10), folder, vocabulary=vocabulary, sources={"a": (1, 2)})

    def unread():
        raise AssertionError("a document was read")
        yield

    assert prepare_corpus(unread(), folder, vocabulary=vocabulary, sources={"a": (1, 2)}) == made
    with pytest.raises(InputError, match=r'other settings: .*normalization "fast" \(now "bert"\).*; name another'):
        prepare_corpus(unread(), folder, vocabulary=vocabulary, sources={"a": [1, 3]}, normalization="bert")
    (tmp_path / "data" / "training-00000.tfrecord").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"training-00000\.tfrecord is damaged"):
        prepare_corpus(unread(), folder, vocabulary=vocabulary, sources={"a": [1, 2]})


def test_an_unfinished_folder_is_done_again(make_documents, vocabulary, tmp_path):
    prepare_corpus(make_documents(10), str(tmp_path / "whole"), vocabulary=vocabulary)
    folder = tmp_path / "data"
    folder.mkdir()
    for name in (
        "training-00000.tfrecord",
        "training-00007.tfrecord",
        "validation-00000.tfrecord.partial",
        "vocab.txt",
    ):
        (folder / name).write_bytes(b"left by an attempt that was killed")
    prepare_corpus(make_documents(10), str(folder), vocabulary=vocabulary)
    assert digests(folder) == digests(tmp_path / "whole")


def test_folders_of_others_are_left_alone(make_documents, vocabulary, tmp_path, write_text):
    write_text("model/config.json", "{}")
    write_text("model/vocab.txt", "mine")
    with pytest.raises(InputError, match=r"model holds other files \(config\.json\)"):
        prepare_corpus(make_documents(10), str(tmp_path / "model"), vocabulary=vocabulary)
    assert (tmp_path / "model" / "vocab.txt").read_text() == "mine"
    with pytest.raises(InputError, match=r"a\.txt is a file"):
        prepare_corpus(make_documents(10), write_text("a.txt", "a"), vocabulary=vocabulary)


def test_duplicates_are_dropped_before_the_split(make_documents, vocabulary, tmp_path):
    documents = make_documents(40)
    shouted = [Document("b", 1, [" ".join(line.upper() for line in document.lines)]) for document in documents]
    manifest = prepare_corpus([*documents, *shouted, *documents], str(tmp_path / "all"), vocabulary=vocabulary)
    once = prepare_corpus(documents, str(tmp_path / "once"), vocabulary=vocabulary)
    assert manifest.counts["documents_read"] == 120
    assert manifest.counts["duplicate_documents"] == 80
    assert manifest.splits == once.splits
    validation = texts(str(tmp_path / "all"), "validation").values()
    assert not set(validation) & set(texts(str(tmp_path / "all"), "training").values())


def test_rows_give_the_records_of_plain_text(make_documents, vocabulary, tmp_path, write_text):
    documents = make_documents(40)
    paths = [
        write_text("a.txt", "\n\n".join(document.text for document in documents)),
        write_text("a.jsonl", "\n".join(json.dumps({"text": document.text}) for document in documents)),
        write_text("a.csv", "text\n" + "".join(f'"{document.text}"\n' for document in documents)),
    ]
    for path in paths:
        prepare_corpus(read_documents([path]), f"{path}.data", vocabulary=vocabulary)
    expected, *others = (digests(f"{path}.data") for path in paths)
    assert others == [expected, expected]


def test_what_is_left_out_is_counted_and_shown(vocabulary, tmp_path, write_text):
    rows = [{"text": text} for text in ("One.", "Two.", "one.", "Three.", " ", "ONE.", "two.", "tWo.", "Four.")]
    path = write_text("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    left_out = LeftOut()
    documents = read_documents([path], errors="skip", left_out=left_out)
    manifest = prepare_corpus(documents, str(tmp_path / "data"), vocabulary=vocabulary, left_out=left_out)
    expected = {"documents": 4, "documents_read": 8, "duplicate_documents": 4, "empty_documents": 1,
                "unreadable_documents": 1}  # fmt: skip
    assert expected.items() <= manifest.counts.items()
    assert Manifest.load(str(tmp_path / "data")).samples == {
        "duplicate_documents": [f"{path}, line {line}" for line in (3, 6, 7, 8)],
        "empty_documents": [f"{path}, line 5: no text"],
        "unreadable_documents": [
            f"{path}, line 10: not JSON: Expecting property name enclosed in double quotes at character 2"
        ],
    }


def test_no_long_sentence_is_on_both_sides(make_documents, vocabulary, tmp_path):
    documents = make_documents(200)
    shared = [document.lines[1] for document in documents]
    # Every document quotes two others, so without the removal every validation document would leak.
    quoting = [
        Document("q", 1, [*document.lines, shared[(i + 7) % 200].upper(), "So it is."])
        for i, document in enumerate(documents)
    ]
    folder = str(tmp_path / "data")
    manifest = prepare_corpus(quoting, folder, vocabulary=vocabulary, validation_share=0.2)
    assert manifest.splits["validation"].documents == 40
    assert 40 < manifest.counts["validation_sentences_left_out"] <= 80
    assert manifest.splits["validation"].sentences == 40 * 6 - manifest.counts["validation_sentences_left_out"]

    def sentences(split):
        joined = " . ".join(texts(folder, split).values()).split(" .")
        return {normalize(one) for one in joined if is_telling(normalize(one))}

    assert sentences("validation")
    assert not sentences("validation") & sentences("training")
    # Short ones are common property and stay.
    assert all(text.endswith("so it is .") for text in texts(folder, "validation").values())


def test_when_nothing_is_left_to_validate(vocabulary, tmp_path, caplog):
    line = "This sentence of nine words occurs in every document."
    documents = [Document("a", 1, [line, line + str(i)[:0]] * (i + 1)) for i in range(10)]
    manifest = prepare_corpus(documents, str(tmp_path / "data"), vocabulary=vocabulary)
    assert manifest.splits["validation"].documents == 0
    assert manifest.splits["validation"].shards == []
    assert manifest.counts["validation_documents_left_out"] == 1
    assert "nothing to validate on" in caplog.text


def test_excluded_documents_are_counted(make_documents, vocabulary, tmp_path, write_text):
    documents = make_documents(30)
    test_set = write_text("test.tsv", f"label\t{documents[3].lines[2]}\nlabel\t{documents[8].lines[0]}\tYes.\n")
    folder = str(tmp_path / "data")
    manifest = prepare_corpus(documents, folder, vocabulary=vocabulary, exclude=[test_set])
    assert manifest.counts["excluded_documents"] == 2
    assert manifest.counts["documents"] == 28
    found = " ".join([*texts(folder, "training").values(), *texts(folder, "validation").values()])
    assert documents[3].lines[2].lower().rstrip(".") not in found
    assert documents[4].lines[2].lower().rstrip(".") in found
    for test_set in (
        write_text("test.jsonl", json.dumps({"label": 1, "pair": documents[3].lines[2]}) + "\n"),
        write_text("test.csv", f'label,text\n1,"{documents[3].lines[2]}"\n'),
    ):
        manifest = prepare_corpus(documents, f"{test_set}.data", vocabulary=vocabulary, exclude=[test_set])
        assert manifest.counts["excluded_documents"] == 1


@pytest.fixture
def vocabulary_texts(monkeypatch):
    """What a vocabulary is trained on."""
    taken = []
    count = word_counter.count_words

    def spy(texts, **options):
        own = list(texts)
        taken.extend(own)
        return count(own, **options)

    monkeypatch.setattr(word_counter, "count_words", spy)
    return taken


def test_the_vocabulary_is_trained_without_validation(make_documents, tmp_path, vocabulary_texts):
    folder = str(tmp_path / "data")
    prepare_corpus(make_documents(40), folder, vocabulary_size=100)
    training = " ".join(texts(folder, "training").values())
    assert " ".join(vocabulary_texts).lower().replace(".", " .") == training
    assert len(vocabulary_texts) == 38 * 4


def test_the_vocabulary_of_a_large_corpus_is_trained_on_a_sample(
    make_documents, tmp_path, monkeypatch, vocabulary_texts
):
    monkeypatch.setattr(module, "VOCABULARY_CHARACTERS", 20_000)
    documents = make_documents(500)
    prepare_corpus(documents, str(tmp_path / "data"), vocabulary_size=100, exact_size=False)
    assert sum(len(document.text) for document in documents) > 90_000
    assert 10_000 < sum(map(len, vocabulary_texts)) < 30_000


def test_sizes_that_cannot_be_had(make_documents, tmp_path):
    folder = tmp_path / "data"
    for size in (5, 100_000):
        with pytest.raises(InputError):
            prepare_corpus(make_documents(10), str(folder), vocabulary_size=size)
        assert not folder.exists()
    manifest = prepare_corpus(make_documents(10), str(folder), vocabulary_size=100_000, exact_size=False)
    assert manifest.vocabulary_size < 2000


def test_chinese(tmp_path):
    lines = [f"第{i}条规定了这部法律的第{i + 1}个原则。公民应当遵守法律！" for i in range(40)]
    documents = [Document("a", i, [line]) for i, line in enumerate(lines)]
    folder = str(tmp_path / "data")
    manifest = prepare_corpus(documents, folder, vocabulary_size=60, exact_size=False)
    assert manifest.splits["training"].sentences == 2 * manifest.splits["training"].documents
    # The second sentence is ten characters long and in every document.
    assert manifest.counts["validation_sentences_left_out"] == manifest.splits["validation"].documents == 2
    assert all("公 民" in text for text in texts(folder, "training").values())
    assert not any("公 民" in text for text in texts(folder, "validation").values())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([["Only one."]], "found 1 document, and two are the least: put a blank line"),
        ([["One."], ["ONE."]], "found 1 document besides 1 duplicate"),
        ([], "found 0 documents"),
    ],
)
def test_too_few_documents(vocabulary, tmp_path, lines, message):
    documents = [Document("a", 1, one) for one in lines]
    with pytest.raises(InputError, match=message):
        prepare_corpus(documents, str(tmp_path / "data"), vocabulary=vocabulary)
    assert not (tmp_path / "data").exists()


def test_two_documents_are_enough(vocabulary, tmp_path):
    documents = [Document("a", 1, ["One."]), Document("a", 2, ["Two."])]
    manifest = prepare_corpus(documents, str(tmp_path / "data"), vocabulary=vocabulary)
    assert manifest.splits["training"].documents == 2
    assert manifest.splits["validation"].documents == 0


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("place", ["reading", "writing", "manifest"])
@pytest.mark.parametrize(
    ("failure", "raised", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), RunError, "No space left on device"),
        (tf.errors.ResourceExhaustedError(None, None, "disk\nmore"), RunError, "writing to .* failed: disk$"),
        (KeyboardInterrupt(), Interrupted, "the same command starts again"),
        (InputError("a.txt is not UTF-8"), InputError, "a.txt is not UTF-8"),
    ],
)
def test_failures_leave_nothing(
    make_documents, vocabulary, tmp_path, monkeypatch, existed, place, failure, raised, message
):
    folder = tmp_path / "new" / "data"
    if existed:
        folder.mkdir(parents=True)

    def fail(*_):
        raise failure
        yield

    def documents():
        yield from make_documents(10)
        if place == "reading":
            raise failure

    if place == "writing":
        # The training half is complete when validation fails.
        monkeypatch.setattr(module.HeldOut, "remaining", fail)
    elif place == "manifest":
        monkeypatch.setattr(module.Manifest, "save", lambda *_: next(fail()))
    if raised is Interrupted and place != "reading":
        with pytest.raises(raised, match=r"what is finished is kept in .*; the same command goes on"):
            prepare_corpus(documents(), str(folder), vocabulary=vocabulary)
        assert [path.name for path in folder.iterdir()] == [".partial"]
        return
    with pytest.raises(raised, match=message):
        prepare_corpus(documents(), str(folder), vocabulary=vocabulary)
    assert not folder.exists() or (existed and list(folder.iterdir()) == [])
    assert existed or not folder.parent.exists()


def test_real_text(shared_data, tmp_path):
    import lzma

    source = next((shared_data / "tiny").glob("zh_laws*"))
    data = lzma.decompress(source.read_bytes()) if source.suffix == ".xz" else source.read_bytes()
    (tmp_path / "laws.txt").write_bytes(data)
    folder = str(tmp_path / "data")
    manifest = prepare_corpus(
        read_documents([str(tmp_path / "laws.txt")]), folder, vocabulary_size=2000, exact_size=False
    )
    assert manifest.splits["validation"].documents >= 1
    unknown = manifest.counts["training_unknown_tokens"] / manifest.splits["training"].tokens
    assert unknown < 0.01
    assert all(len(record.token_ids) <= 4096 for path in manifest.shard_paths(folder, "training")
               for record in read_records(path, manifest.token_dtype))  # fmt: skip
