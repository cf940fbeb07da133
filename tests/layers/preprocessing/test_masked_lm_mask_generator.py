import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator

VOCABULARY, MASK, SLOTS = 200, 4, 20
SPECIAL = [0, 1, 2, 3, 4]
ROWS, LENGTH = 1200, 128
STRATEGIES = ["token", "whole_word", "span"]
GOLDEN = ["9a5525aa7ed2e496", "c3ff6a90e9316960", "15deb209723f47fa"]


def masker(**options):
    return MaskedLMMaskGenerator(VOCABULARY, 0.15, MASK, SLOTS, SPECIAL, **options)


@pytest.fixture(scope="module")
def rows():
    """Over 100,000 tokens in rows of all fillings, as the packer leaves them."""
    rng = np.random.default_rng(0)
    token_ids = rng.integers(5, VOCABULARY, (ROWS, LENGTH)).astype(np.int32)
    word_starts = rng.random((ROWS, LENGTH)) < 0.7
    lengths = rng.integers(40, LENGTH + 1, ROWS)
    lengths[:3] = 2, 3, LENGTH
    separator = np.maximum(lengths // 2, 1)
    index = np.arange(ROWS)
    token_ids[:, 0], token_ids[index, separator], token_ids[index, lengths - 1] = 2, 3, 3
    word_starts[:, 0] = word_starts[index, separator] = word_starts[index, lengths - 1] = True
    word_starts[:, 1] = word_starts[index, np.minimum(separator + 1, LENGTH - 1)] = True
    valid = np.arange(LENGTH) < lengths[:, None]
    token_ids[~valid], word_starts[~valid] = 0, False
    return {
        "token_ids": token_ids,
        "word_starts": word_starts,
        "padding_mask": valid,
        "example_index": index.astype(np.int64),
        "epoch": np.zeros(ROWS, np.int64),
    }


def arrays(outputs):
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_statistics_over_100_000_tokens(rows, strategy):
    out = arrays(masker(strategy=strategy)(rows))
    original, valid = rows["token_ids"], rows["padding_mask"]
    assert valid.sum() > 100_000
    used = out["mask_weights"] == 1
    row, slot = np.nonzero(used)
    position, label = out["mask_positions"][used], out["mask_ids"][used]

    # Labels are the original ids, sorted by position, none twice, unused slots 0 and at the end.
    assert (original[row, position] == label).all()
    same_row = row[1:] == row[:-1]
    assert (np.diff(position)[same_row] > 0).all()
    assert (slot == np.concatenate([np.arange(count) for count in used.sum(1)])).all()
    assert not out["mask_positions"][~used].any() and not out["mask_ids"][~used].any()

    # Nothing special is selected; nothing outside the selection changes.
    assert not np.isin(label, SPECIAL).any()
    selected = np.zeros_like(valid)
    selected[row, position] = True
    assert (out["token_ids"] == original)[~selected].all()

    # As many as the recipe says: tokens with the special ones, at least one, at most the cap and the candidates.
    tokens = valid.sum(1)
    candidates = (valid & ~np.isin(original, SPECIAL)).sum(1)
    wanted = np.array([min(SLOTS, max(1, round(0.15 * int(count)))) for count in tokens])
    wanted = np.minimum(wanted, candidates)
    if strategy == "token":
        assert (used.sum(1) == wanted).all()
    else:
        assert (used.sum(1) <= wanted).all()
    assert abs(used.sum() / tokens.sum() - 0.15) < 0.002

    # 80 / 10 / 10, drawn token by token. About 16,000 draws: deviations of 0.003.
    new = out["token_ids"][row, position]
    to_mask, kept = new == MASK, new == label
    assert abs(to_mask.mean() - 0.8) < 0.01
    assert abs((~to_mask & ~kept).mean() - 0.1 * (1 - 1 / 195)) < 0.01
    assert abs(kept.mean() - 0.1) < 0.01

    # Random replacements are ordinary tokens, all of them, evenly.
    drawn = new[~to_mask & ~kept]
    assert not np.isin(drawn, SPECIAL).any()
    counts = np.bincount(drawn, minlength=VOCABULARY)[5:]
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert 130 < chi_square < 270  # 194 degrees of freedom, deviation 20


@pytest.mark.parametrize("strategy", ["whole_word", "span"])
def test_whole_words_are_whole_and_fill_the_budget(rows, strategy):
    out = arrays(masker(strategy=strategy)(rows))
    selected = np.zeros((ROWS, LENGTH), bool)
    row, slot = np.nonzero(out["mask_weights"])
    selected[row, out["mask_positions"][row, slot]] = True
    words = np.cumsum(rows["word_starts"], 1) + LENGTH * np.arange(ROWS)[:, None]
    ordinary = ~np.isin(rows["token_ids"], SPECIAL)
    sizes = np.bincount(words[ordinary], minlength=words.max() + 1)
    chosen = np.bincount(words[selected], minlength=words.max() + 1)
    assert ((chosen == 0) | (chosen == sizes)).all()
    # Its pieces draw their own fate: were the word to share it, no word would be masked in part.
    masked = np.bincount(words[selected & (out["token_ids"] == MASK)], minlength=words.max() + 1)
    long_words = chosen > 2
    assert 0.1 < ((masked > 0) & (masked < chosen))[long_words].mean() < 0.9
    # Longer words are hardly shunned, though the last bit of room can only be filled by short ones.
    share = chosen[sizes > 2].sum() / chosen.sum()
    assert -0.05 < share - sizes[sizes > 2].sum() / sizes.sum() < 0


def test_a_word_longer_than_the_budget_is_skipped_not_cut():
    starts = [True, True] + [False] * 7 + [True]
    out = masker(strategy="whole_word")({"token_ids": [2, *range(10, 18), 3], "word_starts": starts})
    assert not out["mask_weights"].numpy().any()
    assert out["token_ids"].numpy().tolist() == [2, *range(10, 18), 3]


def runs(selected):
    """Return the lengths of all runs of true."""
    edges = np.diff(np.pad(selected.astype(int), [(0, 0), (1, 1)]), axis=1)
    return np.flatnonzero(edges.ravel() < 0) - np.flatnonzero(edges.ravel() > 0)


def test_spans_are_what_the_definition_gives():
    """Words of one token: rows are cut into spans, these are taken in random order, the last one up to the budget.

    What is seen are runs: spans that touch are one. Their lengths are compared with those of another program that does
    the same word by word with other random numbers.
    """
    count, width, special = 4000, 64, [0, 30, 31, 63]
    rng = np.random.default_rng(3)
    ids = rng.integers(5, VOCABULARY, (count, width))
    ids[:, special] = [2, 3, 2, 3]
    row = {"token_ids": ids, "word_starts": np.ones_like(ids, bool), "example_index": np.arange(count)}
    out = arrays(masker(strategy="span")(row))
    assert (out["mask_weights"].sum(1) == 10).all()
    found = np.zeros((count, width), bool)
    np.put_along_axis(found, out["mask_positions"][:, :10], True, axis=1)

    shares = 0.8 ** np.arange(10)
    wanted = np.zeros((5 * count, width), bool)
    for selected in wanted:
        lengths = iter(rng.choice(np.arange(1, 11), width, p=shares / shares.sum()))
        spans, left = [], 0
        for position in range(width):
            if position in special:
                spans.append([])
                continue
            if not left:
                spans.append([])
                left = next(lengths)
            spans[-1].append(position)
            left -= 1
        order = [position for span in rng.permutation(len(spans)) for position in spans[span]]
        selected[order[:10]] = True
    ours, theirs = (np.bincount(np.minimum(runs(mask), 10), minlength=11)[1:] for mask in (found, wanted))
    total = (ours + theirs) / (ours + theirs).sum()
    chi_square = sum(((n - n.sum() * total) ** 2 / (n.sum() * total)).sum() for n in (ours, theirs))
    assert chi_square < 27.9  # 9 degrees of freedom, one in a thousand
    assert ours.sum() > 8000


def test_spans_of_words_are_cut_only_by_the_budget_and_never_scattered(rows):
    """Of ten selected words of whole words alone, two in a row stand side by side; of spans most do."""
    words = np.cumsum(rows["word_starts"], 1)
    neighbours = {}
    for strategy in ("whole_word", "span"):
        out = arrays(masker(strategy=strategy)(rows))
        used = out["mask_weights"] == 1
        row, slot = np.nonzero(used)
        word = words[row, out["mask_positions"][row, slot]]
        keys = np.unique(row * 1000 + word)
        neighbours[strategy] = np.isin(keys + 1, keys).mean()
    assert neighbours["whole_word"] < 0.2 and neighbours["span"] > 0.6


def test_every_position_is_as_likely():
    ids = np.random.default_rng(1).integers(5, VOCABULARY, (4000, 40))
    out = arrays(masker()({"token_ids": ids, "example_index": np.arange(4000)}))
    counts = np.bincount(out["mask_positions"][out["mask_weights"] == 1], minlength=40)
    assert counts.sum() == 4000 * 6
    assert ((counts - 600) ** 2 / 600).sum() < 75  # 39 degrees of freedom, deviation 9


def test_no_candidates_no_masks():
    out = arrays(masker()({"token_ids": [[2, 3, 0], [0, 0, 0]], "example_index": [0, 1]}))
    assert not out["mask_weights"].any() and out["token_ids"].tolist() == [[2, 3, 0], [0, 0, 0]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_epochs_differ_and_keys_decide(rows, strategy):
    layer = masker(strategy=strategy)
    first, again, other = (arrays(layer({**rows, "epoch": epoch})) for epoch in (0, np.zeros(ROWS, np.int64), 1))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    same = sum(
        len(set(a[w > 0]) & set(b[v > 0]))
        for a, w, b, v in zip(
            first["mask_positions"], first["mask_weights"], other["mask_positions"], other["mask_weights"], strict=True
        )
    )
    # Two independent draws of 15 % share 15 % of what they select.
    assert abs(same / first["mask_weights"].sum() - 0.155) < 0.02
    seeded = arrays(masker(strategy=strategy, seed=1)(rows))
    assert (seeded["mask_positions"] != first["mask_positions"]).mean() > 0.5


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("keyed", [True, False])
def test_eager_rows_batches_and_threads_agree(rows, strategy, keyed):
    names = ["token_ids", "word_starts"] + ["example_index", "epoch"] * keyed
    part = {name: rows[name][:60] for name in names}
    layer = masker(strategy=strategy)
    expected = arrays(layer(part))
    dataset = tf.data.Dataset.from_tensor_slices(part)
    ways = {
        "rows": dataset.map(layer).batch(60),
        "8 threads": dataset.map(layer, num_parallel_calls=8).batch(60),
        "batches of 7": dataset.batch(7).map(layer).unbatch().batch(60),
        "batches of 32, 8 threads": dataset.batch(32).map(layer, num_parallel_calls=8).unbatch().batch(60),
    }
    for way, result in ways.items():
        result = result.get_single_element()
        for name, value in expected.items():
            np.testing.assert_array_equal(result[name], value, err_msg=f"{way}: {name}")
    lengths = rows["padding_mask"][:60].sum(1)
    ragged = {name: tf.RaggedTensor.from_tensor(part[name], lengths) for name in names[:2]}
    result = layer({**part, **ragged})
    assert isinstance(result["token_ids"], tf.RaggedTensor)
    np.testing.assert_array_equal(result["token_ids"].to_tensor(shape=(60, LENGTH)), expected["token_ids"])
    np.testing.assert_array_equal(result["mask_positions"], expected["mask_positions"])
    one = layer({name: value[5] for name, value in part.items()})
    np.testing.assert_array_equal(one["token_ids"], expected["token_ids"][5])


def test_bare_ids_are_reproducible_and_rows_differ(rows):
    layer = masker()
    ids = rows["token_ids"][3:5]
    np.testing.assert_array_equal(layer(ids)["token_ids"], layer(ids.copy())["token_ids"])
    assert layer(ids[0])["mask_positions"].numpy().tolist() == layer(ids)["mask_positions"][0].numpy().tolist()
    other = ids.copy()
    other[0, 1] += 1
    assert layer(other)["mask_positions"][0].numpy().tolist() != layer(ids)["mask_positions"][0].numpy().tolist()


def test_slots_default_to_the_rate_times_the_width():
    layer = MaskedLMMaskGenerator(VOCABULARY, 0.15, MASK)
    assert layer(np.full((2, 128), 9))["mask_positions"].shape == (2, 20)
    assert layer([9, 9])["mask_positions"].shape == (1,)


def test_same_arguments_and_outputs_as_keras_hub(rows):
    keras_hub = pytest.importorskip("keras_hub")
    arguments = {
        "vocabulary_size": VOCABULARY, "mask_selection_rate": 0.15, "mask_token_id": MASK,
        "mask_selection_length": SLOTS, "unselectable_token_ids": SPECIAL, "mask_token_rate": 0.8,
        "random_token_rate": 0.1,
    }  # fmt: skip
    ids = tf.constant(rows["token_ids"][:4])
    ours = MaskedLMMaskGenerator(**arguments)(ids)
    theirs = keras_hub.layers.MaskedLMMaskGenerator(**arguments)(ids)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].shape == theirs[name].shape


def test_golden_masks():
    """A change here changes every run: it needs an entry in the CHANGELOG."""
    ids = np.arange(5, 197).reshape(2, 96) % 195 + 5
    digests = []
    for strategy in STRATEGIES:
        out = masker(strategy=strategy, seed=7)(
            {"token_ids": ids, "word_starts": ids % 3 == 0, "example_index": [11, 2**33], "epoch": [2, 3]}
        )
        digest = hashlib.sha256()
        for name in ("token_ids", "mask_positions", "mask_ids", "mask_weights"):
            digest.update(out[name].numpy().astype(np.int32).tobytes())
        digests.append(digest.hexdigest()[:16])
    assert digests == GOLDEN


def test_config_round_trip():
    layer = masker(strategy="whole_word", seed=9)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_token_id": 200}, "mask_token_id"),
        ({"mask_selection_rate": 0.0}, "mask_selection_rate"),
        ({"mask_selection_length": 0}, "mask_selection_length"),
        ({"mask_token_rate": 0.8, "random_token_rate": 0.3}, "at most 1"),
        ({"strategy": "sentence"}, "strategy"),
        ({"unselectable_token_ids": list(range(200))}, "every token is special"),
    ],
)
def test_bad_arguments(change, message):
    good = {"vocabulary_size": VOCABULARY, "mask_selection_rate": 0.15, "mask_token_id": MASK}
    with pytest.raises(InputError, match=message):
        MaskedLMMaskGenerator(**{**good, **change})


@pytest.mark.parametrize("strategy", ["whole_word", "span"])
def test_whole_words_need_word_starts(strategy):
    with pytest.raises(ValueError, match="needs word_starts"):
        masker(strategy=strategy)([5, 6, 7])
