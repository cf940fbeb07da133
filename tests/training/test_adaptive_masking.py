"""Token types that the model finds hard are masked more often, exactly the same after a restart."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mlm.config import BertConfig
from keras_mlm.data import token_weights
from keras_mlm.data.manifest import Manifest, Split
from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.data.shard_writer import ShardWriter
from keras_mlm.data.token_record import TokenRecord
from keras_mlm.data.token_weights import TokenWeights
from keras_mlm.errors import InputError
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.training.adaptive_masking import AdaptiveMasking, weights_of
from keras_mlm.training.token_accuracy import TokenAccuracy
from keras_mlm.training.training_budget import TrainingBudget
from keras_mlm.training.training_checkpoint import TrainingCheckpoint

ORDINARY = 20
SIZE = len(SPECIAL_TOKENS) + ORDINARY
ROWS, LENGTH, BLOCK = 16, 32, 20
HARD = len(SPECIAL_TOKENS)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> str:
    """Documents of twenty words, all equally frequent."""
    folder = tmp_path_factory.mktemp("corpus")
    vocabulary = [*SPECIAL_TOKENS, *(f"w{number}" for number in range(ORDINARY))]
    text = "\n".join(vocabulary)
    (folder / "vocab.txt").write_text(text + "\n")
    rng, splits = np.random.default_rng(0), {}
    for name, documents in (("training", 60), ("validation", 4)):
        with ShardWriter(str(folder), name, "uint16", 4000) as writer:
            for number in range(documents):
                ids = rng.integers(HARD, SIZE, 4 * (LENGTH - 2)).astype("int32")
                starts = np.arange(len(ids)) % 10 == 0
                writer.write(TokenRecord(number, ids, np.ones(len(ids), bool), starts))
        splits[name] = Split(documents, 12 * documents, documents * 4 * (LENGTH - 2), writer.shards)
    Manifest("uint16", SIZE, hashlib.sha256(text.encode()).hexdigest(), "fast", {}, splits, {}).save(str(folder))
    return str(folder)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(token_weights, "BLOCK_STEPS", BLOCK)


def dataset(corpus: str, weights: TokenWeights | None = None, **options) -> PretrainingDataset:
    options = {"length": LENGTH, "batch_size": ROWS, "next_sentence": False, **options}
    return PretrainingDataset(corpus, token_weights=weights, **options)


def shares_of(batches: tf.data.Dataset, steps: int) -> tuple[np.ndarray, float]:
    """Return how often each type was selected, and the share of the tokens that was."""
    chosen, tokens = np.zeros(SIZE, int), 0
    for batch in batches.take(steps).as_numpy_iterator():
        used = batch["mask_weights"] > 0
        chosen += np.bincount(batch["mask_ids"][used], minlength=SIZE)
        tokens += int(batch["padding_mask"].sum())
    return chosen, chosen.sum() / tokens


@pytest.mark.parametrize(
    ("masking", "low", "high"), [("token", 3.0, 3.35), pytest.param("span", 1.1, 2.0, marks=pytest.mark.slow)]
)
def test_a_hard_type_is_chosen_more_often_and_the_share_stays(corpus, masking, low, high):
    weights = TokenWeights(SIZE)
    easy = np.full(SIZE, 0.25, np.float32)
    easy[HARD] = 1.0
    weights.begin_again(easy)
    chosen, share = shares_of(dataset(corpus, weights, masking=masking, batch_size=512).keyed_batches(), BLOCK)
    even, even_share = shares_of(dataset(corpus, masking=masking, batch_size=512).keyed_batches(), BLOCK)
    assert chosen.sum() > 20_000
    assert share == pytest.approx(even_share, abs=0.002) and share == pytest.approx(0.15, abs=0.01)
    assert not chosen[: len(SPECIAL_TOKENS)].any()
    # A sixth of all candidates, each in its turn with its weight's chance: (1 - e^-4t) / (1 - e^-t) with t = 0.163 is
    # 3.18. A span has the mean weight of its tokens.
    assert low < chosen[HARD] / chosen[HARD + 1 :].mean() / (even[HARD] / even[HARD + 1 :].mean()) < high


def test_a_step_has_the_weights_of_its_block_wherever_it_is_reached(corpus):
    weights = TokenWeights(SIZE)
    only = np.full(SIZE, 1e-6, np.float32)
    only[HARD] = 1.0
    weights.renew(1, only)
    in_one_go = list(dataset(corpus, weights).keyed_batches().take(BLOCK + 5).as_numpy_iterator())
    even = list(dataset(corpus).keyed_batches().take(BLOCK + 5).as_numpy_iterator())
    for step in (0, BLOCK - 1):
        assert np.array_equal(in_one_go[step]["token_ids"], even[step]["token_ids"])
    for step in (BLOCK, BLOCK + 4):
        ids, used = in_one_go[step]["mask_ids"], in_one_go[step]["mask_weights"] > 0
        rows = [row for row in range(ROWS) if HARD in ids[row][used[row]]]
        assert len(rows) > ROWS / 2 and not np.array_equal(in_one_go[step]["token_ids"], even[step]["token_ids"])
    later = dataset(corpus, weights).keyed_batches(BLOCK + 2)
    shares = [list(dataset(corpus, weights).keyed_batches(BLOCK + 2, worker=w, workers=2).take(3).as_numpy_iterator())
              for w in (0, 1)]  # fmt: skip
    for number, batch in enumerate(later.take(3).as_numpy_iterator()):
        for name, part in batch.items():
            assert np.array_equal(part, in_one_go[BLOCK + 2 + number][name])
            assert np.array_equal(part, np.concatenate([share[number][name] for share in shares]))


def test_batches_too_far_ahead_or_behind_are_no_silent_error(corpus):
    weights = TokenWeights(SIZE)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than a block"):
        next(iter(dataset(corpus, weights).batches(2 * BLOCK)))
    with pytest.raises(InputError, match="training split"):
        dataset(corpus, weights, split="validation")


def test_accuracy_is_counted_type_by_type():
    accuracy = TokenAccuracy(5)
    logits = np.eye(5, dtype=np.float32)[[[1, 2], [1, 0]]]
    accuracy.update([[1, 1], [1, 0]], logits, np.array([[1, 1], [1, 0]], np.float32))
    assert accuracy.take().tolist() == [[0, 0], [2, 3], [0, 0], [0, 0], [0, 0]]
    assert not accuracy.take().any()


def test_weights_are_what_is_wrong_and_few_tokens_do_not_decide():
    sums = np.array([[900, 1000], [100, 1000], [0, 0], [0, 1], [1000, 1000]], np.float32)
    weights = weights_of(sums)
    mean = 2000 / 3001
    assert weights[:2] == pytest.approx([0.1, 0.9], abs=0.01) and weights[4] == pytest.approx(0.1)
    assert weights[2] == pytest.approx(1 - mean) and weights[3] == pytest.approx(1 - 10 * mean / 11)


def run(corpus: str, folder: str, steps: int, stage_ends: tuple[float, ...] = (), stop: int | None = None):
    """Train a tiny model, or the rest of it; return all variables, and what was masked in each step."""
    keras.utils.set_random_seed(0)
    weights = TokenWeights(SIZE)
    config = BertConfig(SIZE, 1, 1, 16, 32, LENGTH, dropout=0.0, next_sentence=False)
    model = BertPretrainer(config)
    model.compile(keras.optimizers.AdamW(1e-2))
    budget = TrainingBudget(steps=steps, learning_rate=1e-2, stage_ends=stage_ends)
    adaptive = AdaptiveMasking(model, weights, budget)
    checkpoint = TrainingCheckpoint(folder, budget, every_seconds=1e9, more=adaptive.variables)
    checkpoint.resume(model)

    def end(batch, logs):
        model.stop_training = model.stop_training or budget.step == stop

    ending = keras.callbacks.LambdaCallback(on_train_batch_end=end)
    while not budget.used_up and budget.step != stop:
        batches = dataset(corpus, weights).batches(budget.place)
        callbacks = [budget, adaptive, ending, checkpoint]
        model.fit(batches, epochs=10**6, steps_per_epoch=50, verbose=0, shuffle=False, callbacks=callbacks)
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables, *adaptive.variables)]


@pytest.mark.parametrize("stage_ends", [(), pytest.param((0.55,), marks=pytest.mark.slow)])
def test_a_resumed_run_ends_with_the_same_bits(corpus, tmp_path, stage_ends):
    whole = run(corpus, str(tmp_path / "whole"), 4 * BLOCK, stage_ends)
    assert not np.array_equal(whole[-5], np.ones(SIZE)) and whole[-5].shape == (SIZE,)
    for stop in (2 * BLOCK + 3, None):  # in a block with weights of its own, those of the next one known as well
        parts = run(corpus, str(tmp_path / "parts"), 4 * BLOCK, stage_ends, stop=stop)
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)
