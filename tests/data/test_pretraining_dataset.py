import collections
import hashlib
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from record_corpus import IDS_A_DOCUMENT, random_documents, take, write_corpus

from keras_mlm.data import row_plan
from keras_mlm.data.manifest import Manifest
from keras_mlm.data.mask_rate import MaskRate
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.token_counts import token_counts
from keras_mlm.data.token_record import read_records
from keras_mlm.errors import InputError

LENGTH = 32
GOLDEN_PACKED = "bbdf377c93fd7b79"
GOLDEN = ["2c7fbaa00490fb08", "6f0e3627ef0a720e", "8cf2a9dbf0845729"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), random_documents(120, 1), random_documents(9, 2))


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    """Groups of a few shards, so that an epoch of a small corpus has many."""
    monkeypatch.setattr(row_plan, "GROUP_TOKENS", 1000)


def dataset(folder, **options):
    return PretrainingDataset(folder, **{"length": LENGTH, "batch_size": 16, **options})


def rows_of(batches):
    """Return all rows as a list of dicts, with what was masked put back under `original`."""
    rows = [{name: value[i] for name, value in batch.items()} for batch in batches for i in range(len(batch["epoch"]))]
    for row in rows:
        row["original"] = row["token_ids"].copy()
        used = row["mask_weights"] > 0
        row["original"][row["mask_positions"][used]] = row["mask_ids"][used]
    return rows


def epoch_of(data, epoch=0):
    steps = -(-data.rows * (epoch + 1) // data.batch_size)
    return [row for row in rows_of(take(data.keyed_batches(), steps)) if row["epoch"] == epoch]


def assert_equal(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, a, b)


def all_records(folder, split="training"):
    manifest = Manifest.load(folder)
    return [record for path in manifest.shard_paths(folder, split) for record in read_records(path, "uint16")]


def test_an_epoch_holds_every_token_once(corpus):
    data = dataset(corpus, next_sentence=False)
    for epoch in (0, 1):
        rows = sorted(epoch_of(data, epoch), key=lambda row: row["example_index"])
        assert [row["example_index"] for row in rows] == list(range(data.rows))
        content = [row["original"][1 : row["padding_mask"].sum() - 1] for row in rows]
        records = all_records(corpus)
        np.testing.assert_array_equal(np.concatenate(content), np.concatenate([r.token_ids for r in records]))
        assert sum(map(len, content)) == data.tokens
        # Row r of a record covers its tokens from r times the width on.
        wanted = [len(r.token_ids[i : i + LENGTH - 2]) for r in records for i in range(0, len(r.token_ids), LENGTH - 2)]
        assert [len(part) for part in content] == wanted


def test_pairs_of_an_epoch(corpus):
    data = dataset(corpus)
    rows = [row for epoch in (0, 1, 2) for row in epoch_of(data, epoch)]
    slices = [
        r.token_ids[i : i + LENGTH - 3] for r in all_records(corpus) for i in range(0, len(r.token_ids), LENGTH - 3)
    ]
    assert collections.Counter(row["example_index"] for row in rows) == dict.fromkeys(range(data.rows), 3)
    for row in rows:
        ids = row["original"][row["padding_mask"]]
        first, second = (
            ids[row["segment_ids"][row["padding_mask"]] == 0],
            ids[row["segment_ids"][row["padding_mask"]] == 1],
        )
        assert first[0] == 2 and first[-1] == 3 and (not len(second) or second[-1] == 3)
        first, second = first[1:-1], second[:-1]
        own, other = ((part - 5) // IDS_A_DOCUMENT for part in (first, second))
        assert (own == row["document_id"]).all()
        if row["next_sentence_labels"] == 0:
            np.testing.assert_array_equal(np.concatenate([first, second]), slices[row["example_index"]])
        else:
            np.testing.assert_array_equal(first, slices[row["example_index"]][: len(first)])
            assert len(set(other)) <= 1 and row["document_id"] not in other
        assert not row["without_negative"]
    weights = np.array([row["next_sentence_weights"] for row in rows])
    labels = np.array([row["next_sentence_labels"] for row in rows])
    assert 0 < (weights == 0).mean() < 0.3 and labels[weights == 0].all()
    assert abs(labels[weights == 1].mean() - 0.5) < 0.05


def test_each_epoch_has_its_own_order_pairs_and_masks(corpus):
    data = dataset(corpus)
    first, second = epoch_of(data, 0), epoch_of(data, 1)
    order = [[row["example_index"] for row in rows] for rows in (first, second)]
    assert order[0] != order[1] and order[0] != sorted(order[0])
    # Negatives and neighbours come from groups of shards, and which shards meet changes.
    by_index = [{row["example_index"]: row for row in rows} for rows in (first, second)]
    same = [(by_index[0][i]["token_ids"] == by_index[1][i]["token_ids"]).all() for i in range(data.rows)]
    assert np.mean(same) < 0.02
    labels = [np.array([by_index[e][i]["next_sentence_labels"] for i in range(data.rows)]) for e in (0, 1)]
    assert (labels[0] != labels[1]).mean() > 0.3
    seeded = [row["example_index"] for row in epoch_of(dataset(corpus, seed=1))]
    assert seeded != order[0] and sorted(seeded) == sorted(order[0])


@pytest.mark.parametrize("options", [{}, {"next_sentence": False, "masking": "whole_word", "seed": 5}])
def test_any_step_is_where_it_was(corpus, options):
    data = dataset(corpus, **options)
    assert data._plan.groups > 3 and data.rows % 16
    full = take(data.batches(), 120)
    assert 2 * data.rows < 120 * 16
    for step in (1, data.rows // 16, data.rows // 16 + 1, 77, 117):
        assert_equal(take(dataset(corpus, **options).batches(step), 3), full[step : step + 3])
    far = 10**6
    assert_equal(take(data.batches(far), 2)[1:], take(data.batches(far + 1), 1))


@pytest.mark.parametrize("masking", ["token", "whole_word", "span"])
def test_batch_size_and_threads_do_not_matter(corpus, masking):
    rows = rows_of(take(dataset(corpus, masking=masking).keyed_batches(), 60))
    for size, threads in ((5, 1), (64, 8)):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        batches = dataset(corpus, masking=masking, batch_size=size).keyed_batches().with_options(options)
        other = rows_of(take(batches, 60 * 16 // size))
        assert_equal(other, rows[: len(other)])


def test_validation_is_one_frozen_pass_filled_up_with_empty_rows(corpus):
    data = dataset(corpus, split="validation", batch_size=7)
    batches = take(data.keyed_batches(), 1000)
    assert_equal(take(dataset(corpus, split="validation", batch_size=7, seed=3).keyed_batches(), 1000), batches)
    assert len(batches) == -(-data.rows // 7) == data.batches().cardinality() and data.rows % 7
    index = np.concatenate([batch["example_index"] for batch in batches])
    assert index.tolist() == [*range(data.rows), *[-1] * (len(index) - data.rows)]
    empty = batches[-1]["example_index"] == -1
    last = {name: value[empty] for name, value in batches[-1].items()}
    assert not any(last[name].any() for name in ("padding_mask", "mask_weights", "next_sentence_weights", "token_ids"))
    for x, y, weights in take(data.batches(), 100):
        assert x["token_ids"].shape == (7, LENGTH) and y["masked_lm"].shape == weights["masked_lm"].shape == (7, 5)
    with pytest.raises(InputError, match="one pass"):
        data.batches(1)


def test_batches_are_what_fit_wants(corpus):
    x, y, weights = dataset(corpus).batches().element_spec
    assert {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in x.items()} == {
        "token_ids": ([16, LENGTH], "int32"), "segment_ids": ([16, LENGTH], "int32"),
        "padding_mask": ([16, LENGTH], "bool"), "mask_positions": ([16, 5], "int32"),
    }  # fmt: skip
    assert {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in y.items()} == {
        "masked_lm": ([16, 5], "int32"), "next_sentence": ([16], "int32"),
    }  # fmt: skip
    assert {name: (spec.shape.as_list(), spec.dtype.name) for name, spec in weights.items()} == {
        "masked_lm": ([16, 5], "float32"), "next_sentence": ([16], "float32"),
    }  # fmt: skip
    assert dataset(corpus).batches().cardinality() == tf.data.INFINITE_CARDINALITY
    x, y, weights = dataset(corpus, next_sentence=False, mask_selection_length=9).batches().element_spec
    assert y.keys() == weights.keys() == {"masked_lm"} and x["mask_positions"].shape == (16, 9)


def test_a_group_of_one_document_makes_positives_and_counts_them(tmp_path):
    long = [[10] * 300, [10] * 300]
    folder = write_corpus(tmp_path, long, long)
    rows = rows_of(take(dataset(folder).keyed_batches(), 40))
    without = np.array([row["without_negative"] for row in rows])
    labels = np.array([row["next_sentence_labels"] for row in rows])
    assert 0 < without.mean() < 0.5 and not labels[without].any()


def test_golden_batches(corpus):
    """A change here changes every run: it needs an entry in the CHANGELOG."""
    digests = []
    for options in ({}, {"masking": "whole_word", "next_sentence": False, "seed": 3}, {"split": "validation"}):
        digest = hashlib.sha256()
        for batch in take(dataset(corpus, **options).batches(), 70):
            for value in tf.nest.flatten(batch):
                digest.update(value.astype("int32").tobytes())
        digests.append(digest.hexdigest()[:16])
    assert digests == GOLDEN


def test_bad_input(tmp_path, corpus):
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        dataset(str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="length must be at least 8"):
        dataset(corpus, length=7)
    with pytest.raises(InputError, match="masking must be"):
        dataset(corpus, masking="syllable")
    with pytest.raises(InputError, match="no split 'test', only training, validation"):
        dataset(corpus, split="test")


def test_too_little_for_pairs(tmp_path):
    folder = write_corpus(tmp_path / "one", [[5, 5, 5]], [[5] for _ in range(4)])
    with pytest.raises(InputError, match=r"need two documents.*next_sentence=False"):
        dataset(folder)
    with pytest.raises(InputError, match=r"documents of two sentences.*next_sentence=False"):
        dataset(folder, split="validation")
    assert take(dataset(folder, next_sentence=False).batches(), 2)
    # The order of sentences can be asked for in one document.
    batch = next(dataset(folder, sentence_pairs="order").keyed_batches().as_numpy_iterator())
    assert set(batch["next_sentence_labels"].tolist()) == {0, 1}
    with pytest.raises(InputError, match=r"documents of two sentences.*next_sentence=False"):
        dataset(folder, sentence_pairs="order", split="validation")
    empty = write_corpus(tmp_path / "empty", [[5, 5]] * 3, [])
    with pytest.raises(InputError, match=r"validation split of .* is empty"):
        dataset(empty, split="validation")


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "swapped"])
def test_a_damaged_shard_is_named(tmp_path, damage):
    folder = write_corpus(tmp_path, random_documents(30, 1), random_documents(3, 2))
    path = tmp_path / "training-00001.tfrecord"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-10])
    elif damage == "missing":
        path.unlink()
    else:
        # Sound, of the right size, but another record: every length differs.
        writer = tf.io.TFRecordWriter(str(path))
        writer.write(b"x" * (len(content) - 16))
        writer.close()
    with pytest.raises(InputError, match=re.escape(str(path))):
        dataset(folder)


def together(shares):
    """The workers' rows of each batch, one worker's after the other's."""
    batches = zip(*shares, strict=True)
    return [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for parts in batches]


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("start", [0, 7])
def test_the_rows_of_all_workers_are_the_batch_of_one_process(corpus, workers, start):
    data = dataset(corpus)
    steps = 3 * data.rows // data.batch_size  # across groups and epochs
    whole = take(data.keyed_batches(start), steps)
    shares = [take(data.keyed_batches(start, worker=w, workers=workers), steps) for w in range(workers)]
    together = [
        {k: np.concatenate([part[k] for part in parts]) for k in parts[0]} for parts in zip(*shares, strict=True)
    ]
    assert_equal(together, whole)
    assert len({int(batch["epoch"][0]) for batch in whole}) > 2


def test_workers_share_validation_to_its_last_row(corpus):
    data = dataset(corpus, split="validation", batch_size=8)
    whole = list(data.keyed_batches().as_numpy_iterator())
    shares = [list(data.keyed_batches(worker=w, workers=4).as_numpy_iterator()) for w in range(4)]
    together = [
        {k: np.concatenate([part[k] for part in parts]) for k in parts[0]} for parts in zip(*shares, strict=True)
    ]
    assert_equal(together, whole)
    assert (whole[-1]["example_index"] == -1).any()


def test_a_batch_that_workers_cannot_share_is_refused(corpus):
    with pytest.raises(InputError, match="worker 0 of 3 has no equal share of a batch of 16 rows"):
        dataset(corpus).batches(workers=3)


PACKED = {"next_sentence": False, "packed": True}


def test_an_epoch_of_packed_rows_holds_every_token_once(corpus):
    data = dataset(corpus, **PACKED)
    documents = {}
    for record in all_records(corpus):
        documents.setdefault(record.document_id, []).append(record.token_ids.astype("int32").tobytes())
    spans = sum(-(-len(r.token_ids) // (LENGTH - 2)) for r in all_records(corpus))
    assert data.rows < 0.95 * dataset(corpus, next_sentence=False).rows
    for epoch in (0, 1):
        rows = epoch_of(data, epoch)
        assert sorted(row["example_index"] for row in rows) == list(range(data.rows))
        content, texts, used = [], 0, 0
        for row in rows:
            ids, numbers = row["original"], row["sequence_ids"]
            assert (row["padding_mask"] == (numbers > 0)).all() and not row["segment_ids"].any()
            assert not ids[numbers == 0].any() and (np.diff(numbers[numbers > 0]) >= 0).all()
            for number in range(1, numbers.max() + 1):
                text = ids[numbers == number]
                assert text[0] == 2 and text[-1] == 3 and not set(text[1:-1]) & {0, 2, 3}
                assert row["position_ids"][numbers == number].tolist() == list(range(len(text)))
                # Whole in one record of one document.
                own = (text[1] - 5) // IDS_A_DOCUMENT
                assert any(text[1:-1].tobytes() in ids for ids in documents[own])
                content.append(text[1:-1])
                texts += 1
            used += row["padding_mask"].sum()
        every = np.concatenate([r.token_ids for r in all_records(corpus)])
        np.testing.assert_array_equal(np.sort(np.concatenate(content)), np.sort(every))
        assert used / data.rows == pytest.approx(data.tokens_a_row) and data.tokens_a_row > 0.9 * LENGTH
        assert spans <= texts < 1.1 * spans
    for unpacked in ({}, {"next_sentence": False}):
        rows = epoch_of(data := dataset(corpus, **unpacked))
        # A pair without its second part has two special tokens, not three.
        mean = np.mean([row["padding_mask"].sum() for row in rows])
        assert mean == pytest.approx(data.tokens_a_row, rel=1e-9 if unpacked else 0.2)


@pytest.mark.parametrize("masking", ["token", "whole_word"])
def test_packed_rows_have_masks_of_their_own_key(corpus, masking):
    rows = epoch_of(dataset(corpus, masking=masking, **PACKED))
    again = {row["example_index"]: row for row in epoch_of(dataset(corpus, masking=masking, batch_size=7, **PACKED))}
    later = {row["example_index"]: row for row in epoch_of(dataset(corpus, masking=masking, **PACKED), 1)}
    differ = 0
    for row in rows:
        same, other = again[row["example_index"]], later[row["example_index"]]
        np.testing.assert_array_equal(row["token_ids"], same["token_ids"])
        np.testing.assert_array_equal(row["original"], other["original"])
        differ += (row["token_ids"] != other["token_ids"]).any()
        wanted = min(5, max(1, round(0.15 * row["padding_mask"].sum())))
        assert row["mask_weights"].sum() == wanted if masking == "token" else row["mask_weights"].sum() <= wanted
        assert not set(row["mask_ids"][row["mask_weights"] > 0]) & {0, 2, 3}
    assert differ > 0.9 * len(rows)


def test_any_step_of_packed_rows_is_where_it_was(corpus):
    options = {**PACKED, "masking": "whole_word", "seed": 5}
    data = dataset(corpus, **options)
    assert data._plan.groups > 3 and data.rows % 16
    full = take(data.batches(), 120)
    assert 2 * data.rows < 120 * 16
    for step in (1, data.rows // 16, 117):
        assert_equal(take(dataset(corpus, **options).batches(step), 3), full[step : step + 3])
    shares = [take(data.keyed_batches(7, worker=worker, workers=2), 30) for worker in range(2)]
    assert_equal(together(shares), take(data.keyed_batches(7), 30))
    x, y, _ = data.batches().element_spec
    assert x["sequence_ids"].shape == x["position_ids"].shape == (16, LENGTH) and y.keys() == {"masked_lm"}


def test_packed_validation_and_its_golden_batches(corpus):
    """A change here changes every run: it needs an entry in the CHANGELOG."""
    data = dataset(corpus, split="validation", batch_size=7, **PACKED)
    batches = take(data.keyed_batches(), 100)
    assert np.concatenate([batch["example_index"] for batch in batches])[: data.rows].tolist() == [*range(data.rows)]
    assert not batches[-1]["sequence_ids"][batches[-1]["example_index"] == -1].any()
    digest = hashlib.sha256()
    for batch in take(dataset(corpus, masking="whole_word", seed=3, **PACKED).batches(), 70):
        for value in tf.nest.flatten(batch):
            digest.update(value.astype("int32").tobytes())
    assert digest.hexdigest()[:16] == GOLDEN_PACKED


def test_packed_rows_of_bad_input(tmp_path, corpus):
    with pytest.raises(InputError, match="packed rows hold no sentence pairs"):
        dataset(corpus, packed=True)
    # The right number of tokens in records of other lengths: the rows would not be those that were counted.
    folder = write_corpus(tmp_path, random_documents(30, 1), random_documents(3, 2))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    shard = manifest["splits"]["training"]["shards"][1]
    shard["record_lengths"] = [[shard["tokens"], 1]]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"training-00001\.tfrecord is damaged"):
        dataset(folder, **PACKED)


FALLING = {"next_sentence": False, "mask_selection_rate": 0.3, "final_mask_selection_rate": 0.1, "steps": 40}


@pytest.mark.parametrize("packed", [False, True])
def test_the_rate_of_masks_falls_from_step_to_step(corpus, packed):
    data = dataset(corpus, **FALLING, packed=packed)
    steps = take(data.keyed_batches(), 60)
    assert data.rows < 40 * 16 < steps[-1]["example_index"].size * 60  # over the border of an epoch
    for step, batch in enumerate(steps):
        rate = max(0.1, 0.3 - 0.2 * step / 40)
        tokens = batch["padding_mask"].sum(1)
        np.testing.assert_array_equal(batch["mask_weights"].sum(1), [max(1, round(rate * int(n))) for n in tokens])
    # What was reached in one go is what a start from there gives, whole or shared out among workers.
    assert_equal(take(data.keyed_batches(23), 3), steps[23:26])
    shares = [take(data.keyed_batches(39, worker=worker, workers=2), 2) for worker in range(2)]
    joined = [{name: np.concatenate([share[i][name] for share in shares]) for name in steps[0]} for i in range(2)]
    assert_equal(joined, steps[39:41])
    # Behind the last step it is a dataset of that rate, but for the slots.
    constant = take(dataset(corpus, **{**FALLING, "mask_selection_rate": 0.1, "final_mask_selection_rate": None},
                            packed=packed).keyed_batches(45), 1)  # fmt: skip
    np.testing.assert_array_equal(constant[0]["token_ids"], steps[45]["token_ids"])


def test_a_rate_as_a_function_of_the_step():
    assert MaskRate(0.3, 0.15, 1000)([0, 500, 1000, 5000]).numpy().tolist() == pytest.approx([0.3, 0.225, 0.15, 0.15])


def test_a_changing_rate_needs_steps_and_training(corpus):
    for wrong in ({"steps": None}, {"split": "validation"}):
        with pytest.raises(InputError, match="changes needs steps, and the training split"):
            dataset(corpus, **{**FALLING, **wrong})


def test_replacements_as_frequent_as_in_the_corpus(corpus):
    manifest = Manifest.load(corpus)
    counts = token_counts(corpus, manifest)
    records = all_records(corpus)
    np.testing.assert_array_equal(
        counts, np.bincount(np.concatenate([r.token_ids for r in records]), minlength=manifest.vocabulary_size)
    )
    drawn = {}
    for replacements in ("uniform", "unigram"):
        rows = epoch_of(dataset(corpus, next_sentence=False, replacements=replacements))
        changed = [row["token_ids"][(row["token_ids"] != row["original"]) & (row["token_ids"] != 4)] for row in rows]
        drawn[replacements] = np.concatenate(changed)
    # Tokens that do not occur are never drawn; the mean count of a drawn token is that of a token of the corpus.
    assert (counts[drawn["uniform"]] == 0).any() and (counts[drawn["unigram"]] > 0).all()
    wanted = (counts**2).sum() / counts.sum()
    assert len(drawn["unigram"]) > 100 and counts[drawn["unigram"]].mean() == pytest.approx(wanted, rel=0.15)
    assert counts[drawn["uniform"]].mean() < 0.95 * wanted
