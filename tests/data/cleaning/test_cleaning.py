"""All filters together, before a corpus is cut into sentences."""

import json

import pytest

from keras_mlm.data.cleaning.cleaning import Cleaning
from keras_mlm.data.documents import Document, read_documents
from keras_mlm.data.left_out import LeftOut
from keras_mlm.data.manifest import Manifest
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.errors import InputError

ENGLISH = "The government said on Monday that it would raise taxes, because the budget needs them to be higher now."
GERMAN = "Die Regierung erklärte am Montag, dass sie die Steuern erhöhen werde, weil der Haushalt es verlangt."


def test_nothing_is_done_unless_it_is_asked_for(make_documents):
    documents = make_documents(5)
    left_out = LeftOut()
    assert Cleaning().settings == {}
    assert list(Cleaning().clean(iter(documents * 2), left_out)) == documents * 2
    assert not left_out.counts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_characters": 0}, "min_characters must be at least 1, not 0"),
        ({"min_characters": 9, "max_characters": 8}, "max_characters must be at least min_characters, 9, not 8"),
        ({"drop_near_repeats": 0.0}, "drop_near_repeats must be above 0 and at most 1, not 0.0"),
        ({"drop_near_repeats": 1.01}, "drop_near_repeats must be"),
        ({"drop_near_repeats": float("nan")}, "drop_near_repeats must be"),
        ({"languages": ["xx"]}, "no language 'xx' is known: there are"),
        ({"redact": ["names"]}, "names cannot be redacted"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Cleaning(**options)


def test_the_order_of_names_is_no_setting():
    one, two = Cleaning(redact=["phones", "emails"], languages=["zh", "en"]), Cleaning(
        redact=("emails", "phones"), languages=("en", "zh"))  # fmt: skip
    assert one.settings == two.settings == {"redact": ["emails", "phones"], "languages": ["en", "zh"]}


def test_every_stage_is_counted_and_the_manifest_holds_no_text(vocabulary, tmp_path, write_text, make_documents):
    good = [document.text for document in make_documents(30, seed=3)]
    text = [
        *good,
        f"{ENGLISH}\nWrite to secret@example.com.",
        f"{ENGLISH}\nWrite to hidden@example.com.",  # the same once it is redacted
        f"{ENGLISH} Indeed.",
        GERMAN,
        "Tiny.",
        "x" * 5000,
        f"Another document.\n{ENGLISH}",
        good[0].upper(),
    ]
    path = write_text("a.txt", "\n\n".join(text))
    cleaning = Cleaning(redact=["emails"], min_characters=10, max_characters=4000, languages=["en"],
                        drop_near_repeats=0.7, drop_repeated_lines=True)  # fmt: skip
    left_out = LeftOut()
    # Made-up words are in no language; these documents are not judged by it.
    folder = str(tmp_path / "data")
    documents = (document for document in read_documents([path]))
    manifest = prepare_corpus(documents, folder, vocabulary=vocabulary, cleaning=Cleaning(
        **{**vars(cleaning), "languages": []}), left_out=left_out)  # fmt: skip
    expected = {"documents_read": 38, "documents": 33, "redacted_emails": 2, "short_documents": 1, "long_documents": 1,
                "duplicate_documents": 2, "near_duplicate_documents": 1, "repeated_lines": 1,
                "emptied_documents": 0}  # fmt: skip
    assert {name: manifest.counts[name] for name in expected} == expected
    written = (tmp_path / "data" / "manifest.json").read_text()
    assert Manifest.load(folder).samples["redacted_emails"] == [f"{path}, line {line}" for line in (151, 154)]
    assert left_out.samples["redacted_emails"][0] == f"{path}, line 151: secret@example.com"
    for secret in ("secret", "Tiny", "government", "hidden"):
        assert secret not in written
    foreign = list(cleaning.clean([Document("a", 1, [GERMAN]), Document("a", 2, [ENGLISH])], left_out))
    assert [document.line for document in foreign] == [2]


def test_other_settings_are_refused(make_documents, vocabulary, tmp_path):
    folder = str(tmp_path / "data")
    options = {"vocabulary": vocabulary, "cleaning": Cleaning(drop_near_repeats=0.8)}
    made = prepare_corpus(make_documents(10), folder, **options)
    assert made.settings["cleaning"] == {"drop_near_repeats": 0.8}
    assert prepare_corpus(iter(()), folder, **options) == made
    for cleaning in (None, Cleaning(), Cleaning(drop_near_repeats=0.7), Cleaning(drop_repeated_lines=True)):
        with pytest.raises(InputError, match=r"prepared with other settings: cleaning"):
            prepare_corpus(iter(()), folder, vocabulary=vocabulary, cleaning=cleaning)
    prepare_corpus(make_documents(10), f"{folder}2", vocabulary=vocabulary, cleaning=Cleaning())
    assert "cleaning" not in json.loads((tmp_path / "data2" / "manifest.json").read_text())["settings"]


def test_where_nothing_is_left(make_documents, vocabulary, tmp_path):
    with pytest.raises(InputError, match="found 0 documents besides 10 duplicate, excluded, filtered or bad ones"):
        prepare_corpus(make_documents(10), str(tmp_path / "data"), vocabulary=vocabulary,
                       cleaning=Cleaning(min_characters=100_000))  # fmt: skip
    assert not (tmp_path / "data").exists()
