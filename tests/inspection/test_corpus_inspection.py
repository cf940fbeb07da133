import collections
import dataclasses
import itertools

import numpy as np
import pytest

from keras_mlm.data.documents import Document
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.errors import InputError
from keras_mlm.inspection import row_shapes as row_shapes_module
from keras_mlm.inspection import token_batches
from keras_mlm.inspection.corpus_inspection import CorpusInspection, load_manifest
from keras_mlm.inspection.inspection_text import inspection_text
from keras_mlm.inspection.scripts import script_shares


def flat(document):
    return tuple(token_id for sentence in document for token_id in sentence)


def test_counts_of_a_known_text(tmp_path):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", "2", "中", "文", ".", "。"]
    texts = [["The cats sat.", "The cat sat."], ["The cat sat.", "2 dogs."], ["中文中。", "中文。"], ["Sat."]]
    documents = [Document("made", number, lines) for number, lines in enumerate(texts, 1)]
    prepare_corpus(documents, str(tmp_path / "corpus"), vocabulary=vocabulary)
    found = CorpusInspection.read(str(tmp_path / "corpus"), lengths=())
    splits = found.splits.values()
    totals = {
        name: sum(getattr(split, name) for split in splits) for name in ("documents", "sentences", "words", "tokens")
    }
    words, tokens = [4, 4, 4, 3, 4, 3, 2], [5, 4, 4, 3, 4, 3, 2]
    assert totals == {"documents": 4, "sentences": 7, "words": sum(words), "tokens": sum(tokens)}
    assert sum(split.unknown for split in splits) == 1
    # Between "2" and the full stop.
    assert sum(split.unknown_places.before for split in splits)[vocabulary.index("2")] == 1
    assert sum(split.unknown_places.after for split in splits)[vocabulary.index(".")] == 1
    assert (found.documents.copies, found.sentences.copies, found.sentences.copied_tokens) == (0, 1, 4)
    (repeated,) = found.sentences.most_frequent
    assert (repeated.times, found.text_of(repeated)) == (2, "the cat sat.")
    shares = script_shares(vocabulary, sum(split.token_counts for split in splits))
    wanted = {"Latin": 11, "punctuation": 7, "Han": 5, "digits": 1, "[UNK]": 1}
    assert shares == {script: count / 25 for script, count in wanted.items()}
    text = inspection_text(found)
    assert "2 × the cat sat." in text and "2 [UNK]." in text


def test_lengths_and_tokens(inspection, documents):
    for name, split in inspection.splits.items():
        sentences = [sentence for document in documents[name] for sentence in document]
        assert (split.documents, split.sentences) == (len(documents[name]), len(sentences))
        for counts, lengths in (
            (split.document_lengths, [len(flat(document)) for document in documents[name]]),
            (split.sentence_lengths, [len(sentence) for sentence in sentences]),
        ):
            for percent in (0, 1, 25, 50, 75, 95, 99, 100):
                assert counts.percentile(percent) == np.percentile(lengths, percent, method="inverted_cdf")
            assert counts.mean == pytest.approx(np.mean(lengths))
        ids = np.concatenate([flat(document) for document in documents[name]])
        np.testing.assert_array_equal(split.token_counts, np.bincount(ids, minlength=len(split.token_counts)))
        assert split.words == int((~inspection.tokenizer.continuation[ids]).sum())


def test_neighbours_of_unknown_tokens(inspection, documents):
    for name, split in inspection.splits.items():
        before, after = collections.Counter(), collections.Counter()
        sentences = [sentence for document in documents[name] for sentence in document]
        for sentence in sentences:
            for left, right in itertools.pairwise(sentence):
                before[left] += right == 1
                after[right] += left == 1
        places = split.unknown_places
        assert places.before.sum() > 0
        np.testing.assert_array_equal(places.before, [before[i] for i in range(len(places.before))])
        np.testing.assert_array_equal(places.after, [after[i] for i in range(len(places.after))])
        assert len(places.contexts) == min(5, split.unknown)
        for context in places.contexts:
            assert 1 in context
            assert any(context == s[i : i + len(context)] for s in sentences for i in range(len(s)))


@pytest.mark.parametrize("what", ["documents", "sentences"])
def test_copies(inspection, documents, what):
    runs = {
        name: [flat(document) for document in split] if what == "documents"
        else [tuple(sentence) for document in split for sentence in document]
        for name, split in documents.items()
    }  # fmt: skip
    everything = [*runs["training"], *runs["validation"]]
    counts = collections.Counter(everything)
    repeats = getattr(inspection, what)
    assert repeats.runs == len(everything) and repeats.copies == len(everything) - len(counts) > 0
    assert repeats.copied_tokens == sum(map(len, everything)) - sum(map(len, counts))
    assert repeats.shared == sum(run in set(runs["training"]) for run in runs["validation"]) > 0
    assert [run.times for run in repeats.most_frequent] == [count for _, count in counts.most_common(5) if count > 1]
    for run in repeats.most_frequent:
        tokens = token_batches.tokens_at(inspection.folder, inspection.manifest, run.place, run.tokens)
        # A document may go on in the next shard; what is shown is its beginning.
        (equal,) = [r for r in counts if r[: len(tokens)] == tuple(tokens) and len(r) == run.tokens]
        assert counts[equal] == run.times


@pytest.mark.slow
def test_only_so_many_pairs_are_measured(inspection, monkeypatch):
    monkeypatch.setattr(row_shapes_module, "_MEASURED_TOKENS", 240)
    shapes = row_shapes_module.row_shapes(inspection.folder, inspection.manifest, [24])
    assert [(shape.layout, shape.measured < shape.rows) for shape in shapes] == [
        ("pairs", True), ("single", False), ("packed", False)]  # fmt: skip
    assert shapes[0].measured == 10
    assert shapes[0].rows == inspection.shapes[0].rows


def test_an_id_that_the_vocabulary_lacks_is_damage(corpus, inspection):
    batches = list(token_batches.read_token_batches(corpus, inspection.manifest, "training"))
    assert len(inspection.manifest.splits["training"].shards) > 3
    assert sum(len(batch.token_ids) for batch in batches) == inspection.manifest.splits["training"].tokens
    smaller = dataclasses.replace(inspection.manifest, vocabulary_size=20)
    with pytest.raises(InputError, match=r"training-00000\.tfrecord is damaged"):
        list(token_batches.read_token_batches(corpus, smaller, "training"))


def test_folders_that_are_no_corpus(corpus, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("A text.")
    with pytest.raises(InputError, match=r"text\.txt is a file.*--text .*text\.txt --output"):
        load_manifest(str(text))
    with pytest.raises(InputError, match="does not exist"):
        load_manifest(str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"no manifest\.json: it is no prepared corpus"):
        load_manifest(str(tmp_path))
    (tmp_path / "training-00000.tfrecord").write_bytes(b"")
    with pytest.raises(InputError, match=r"the same .* command again"):
        load_manifest(str(tmp_path))
