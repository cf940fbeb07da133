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


def selected_of(out, width=LENGTH):
    selected = np.zeros((len(out["mask_weights"]), width), bool)
    row, slot = np.nonzero(out["mask_weights"])
    selected[row, out["mask_positions"][row, slot]] = True
    return selected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_decide_how_often_and_the_share_stays(rows, strategy):
    """A third of the tokens weighs twice as much, a tenth nothing; words are of one weight, as in use."""
    words = np.cumsum(rows["word_starts"], 1) + LENGTH * np.arange(ROWS)[:, None]
    kind = np.random.default_rng(4).choice(4, LENGTH * (ROWS + 1), p=[0.1, 0.3, 0.3, 0.3])[words]
    weights = np.array([0, 1, 1, 2], np.float32)[kind]
    selected = selected_of(arrays(masker(strategy=strategy)({**rows, "selection_weights": weights})))
    valid = rows["padding_mask"]
    ordinary = valid & ~np.isin(rows["token_ids"], SPECIAL)
    assert not selected[(weights == 0) | ~ordinary].any()
    assert abs(selected.sum() / valid.sum() - 0.15) < 0.002
    never, once, again, twice = (selected[ordinary & (kind == k)].mean() for k in range(4))
    assert never == 0 and abs(once - again) < 0.01
    # Drawing without replacement has less than twice the chance in the end: another program's draws, one by one.
    rng = np.random.default_rng(5)
    chances = []
    for _ in range(400):
        drawn = rng.choice(90, 15, replace=False, p=np.repeat([1 / 120, 2 / 120], [60, 30]))
        chances.append([(drawn < 60).sum() / 60, (drawn >= 60).sum() / 30])
    wanted = np.divide(*np.mean(chances, 0)[::-1])
    assert 1.75 < wanted < 1.95
    # Spans hold words of several weights: what they mix comes closer together.
    assert abs(twice / once - wanted) < 0.12 if strategy != "span" else 1.1 < twice / once < wanted


def test_a_weighted_word_is_whole_but_for_what_weighs_nothing(rows):
    weights = np.random.default_rng(6).choice([0.0, 0.5, 3.0], (ROWS, LENGTH), p=[0.1, 0.5, 0.4])
    selected = selected_of(arrays(masker(strategy="whole_word")({**rows, "selection_weights": weights})))
    words = np.cumsum(rows["word_starts"], 1) + LENGTH * np.arange(ROWS)[:, None]
    candidates = rows["padding_mask"] & ~np.isin(rows["token_ids"], SPECIAL) & (weights > 0)
    sizes = np.bincount(words[candidates], minlength=words.max() + 1)
    chosen = np.bincount(words[selected], minlength=words.max() + 1)
    assert ((chosen == 0) | (chosen == sizes)).all() and chosen.sum() > 10_000


def test_a_rate_of_its_own_for_each_row(rows):
    rates = np.where(np.arange(ROWS) % 2, 0.3, 0.05)
    layer = MaskedLMMaskGenerator(VOCABULARY, 0.15, MASK, 39, SPECIAL)
    out = arrays(layer({**rows, "mask_selection_rate": rates}))
    ordinary = (rows["padding_mask"] & ~np.isin(rows["token_ids"], SPECIAL)).sum(1)
    wanted = np.array([max(1, round(r * int(n))) for r, n in zip(rates, rows["padding_mask"].sum(1), strict=True)])
    np.testing.assert_array_equal(out["mask_weights"].sum(1), np.minimum(wanted, np.minimum(ordinary, 39)))
    # The rate of the layer, given with each row or once, is the rate of the layer.
    np.testing.assert_array_equal(layer({**rows, "mask_selection_rate": 0.15})["token_ids"], layer(rows)["token_ids"])


def test_replacements_follow_their_weights(rows):
    weights = np.arange(VOCABULARY) % 4
    out = arrays(masker(replacement_weights=weights)(rows))
    default = arrays(masker()(rows))
    np.testing.assert_array_equal(out["mask_positions"], default["mask_positions"])
    np.testing.assert_array_equal(out["token_ids"] == MASK, default["token_ids"] == MASK)
    changed = (out["token_ids"] != rows["token_ids"]) & (out["token_ids"] != MASK)
    drawn = out["token_ids"][changed]
    assert not np.isin(drawn, SPECIAL).any() and len(drawn) > 1300
    counts = np.bincount(drawn % 4, minlength=4)
    wanted = np.bincount(np.arange(5, VOCABULARY) % 4, np.arange(5, VOCABULARY) % 4, minlength=4)
    wanted *= counts.sum() / wanted.sum()
    assert counts[0] == 0 and (((counts - wanted) ** 2)[1:] / wanted[1:]).sum() < 13.8  # 2 degrees, one in a thousand


def test_weights_from_plain_lists():
    ids, weights = [2, 10, 11, 12, 13, 3], [1.0, 0.0, 0.0, 0.5, 0.0, 1.0]
    out = masker()({"token_ids": ids, "selection_weights": weights, "mask_selection_rate": 0.9})
    assert out["mask_positions"].numpy().tolist()[:2] == [3, 0] and out["mask_weights"].numpy().sum() == 1
    out = masker()({"token_ids": [ids, ids[:4]], "selection_weights": [weights, weights[:4]]})
    assert out["mask_positions"].numpy()[:, 0].tolist() == [3, 3]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_eager_rows_batches_and_threads_agree(rows, strategy, keyed, weighted):
    names = ["token_ids", "word_starts"] + ["selection_weights"] * weighted + ["example_index", "epoch"] * keyed
    weights = np.random.default_rng(8).choice([0.0, 0.3, 1, 2], (ROWS, LENGTH)).astype(np.float32)
    part = {name: value[:60] for name, value in {**rows, "selection_weights": weights}.items() if name in names}
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
    ragged = {name: tf.RaggedTensor.from_tensor(part[name], lengths) for name in names[: 2 + weighted]}
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
    layer = masker(strategy="span", seed=9, replacement_weights=np.arange(VOCABULARY))
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
        ({"replacement_weights": [1.0]}, "replacement_weights must be 200 numbers"),
        ({"replacement_weights": [-1.0] * 200}, "replacement_weights must be 200 numbers"),
        ({"replacement_weights": [1.0] + [0.0] * 199}, "no ordinary token to draw"),
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
