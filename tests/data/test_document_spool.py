from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.data import document_spool as module
from keras_mlm.data.document_spool import DocumentSpool


def read(spool, wanted=None):
    return [document for split in spool.splits for document in split.read(wanted)]


def spooled(documents, folder):
    spool = DocumentSpool(str(folder))
    for number, (key, sentences) in enumerate(documents):
        spool.append(key, sentences, f"a.txt, line {number}")
    spool.close()
    return spool


def test_a_spool_gives_back_what_it_took(tmp_path):
    documents = [(7, ["one", "Zwei ä"]), (-3, ["中文。"]), (2**62, ["x" * 100_000, "y"]), (0, [""])]
    spool = spooled(documents, tmp_path)
    assert read(spool) == documents
    assert read(spool, lambda key: key in (-3, 0)) == [documents[1], documents[3]]
    assert spool.characters == 9 - 1 + 3 + 100_001 + 1


def test_splits_are_bounded_and_tell_what_they_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPLIT_BYTES", 100)
    documents = [(number, ["a" * 20, "bc"]) for number in range(25)]
    splits = spooled(documents, tmp_path).splits
    assert [split.documents for split in splits] == [3] * 8 + [1]
    assert [split.characters for split in splits] == [66] * 8 + [22]
    assert splits[2].place == "a.txt, line 6"
    assert list(splits[2].read()) == documents[6:9]
    documents[7] = (7, ["a" * 20, "bd"])
    (tmp_path / "other").mkdir()
    others = spooled(documents, tmp_path / "other").splits
    assert [one.digest == other.digest for one, other in zip(splits, others, strict=True)] == [
        number != 2 for number in range(9)
    ]


TEXT = st.text(st.characters(blacklist_characters="\n", blacklist_categories=()), max_size=30)


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.lists(TEXT, min_size=1, max_size=3)), max_size=8))
def test_any_text_comes_back(tmp_path_factory, documents):
    assert read(spooled(documents, tmp_path_factory.mktemp("spool"))) == documents
