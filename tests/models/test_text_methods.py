import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.models import row_batches
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [
    *SPECIAL_TOKENS,
    "paris",
    "is",
    "the",
    "capital",
    "of",
    "france",
    ".",
    "##s",
    "中",
    "国",
]
TEXTS = ["Paris is the [MASK] of France .", "[MASK]", "the [MASK] is [MASK] 中国 [MASK]", "[MASK] paris"]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(5)
    # Large initial weights, so that the answers of different positions differ.
    config = BertConfig(
        vocabulary_size=len(VOCABULARY), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32,
        max_sequence_length=12, initializer_range=0.5,
    )  # fmt: skip
    return BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY))


def probabilities(model, token_ids, position):
    """The softmax at one position of one unpadded row, without any of the code under test."""
    row = np.array([token_ids])
    inputs = {
        "token_ids": row,
        "segment_ids": 0 * row,
        "padding_mask": row >= 0,
        "mask_positions": np.array([[position]]),
    }
    logits = keras.ops.convert_to_numpy(model(inputs, training=False)["masked_lm"])[0, 0].astype("float64")
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def ids_of(tokens):
    return [VOCABULARY.index(token) for token in tokens.split()]


def test_fill_mask_gives_the_best_of_the_softmax_at_every_mask(model):
    answers = model.fill_mask(TEXTS, top_k=3)
    assert [len(masks) for masks in answers] == [1, 1, 3, 1]
    row = ids_of("[CLS] the [MASK] is [MASK] 中 国 [MASK] [SEP]")
    for mask, position in zip(answers[2], [2, 4, 7], strict=True):
        expected = probabilities(model, row, position)
        best = np.argsort(-expected)[:3]
        assert [candidate.token for candidate in mask] == [VOCABULARY[index] for index in best]
        np.testing.assert_allclose([candidate.score for candidate in mask], expected[best], atol=1e-5)


def test_the_other_texts_of_a_call_do_not_matter(model, monkeypatch):
    together = model.fill_mask(TEXTS, top_k=4)
    monkeypatch.setattr(row_batches, "_POSITIONS_A_BATCH", 1)
    alone = model.fill_mask(TEXTS, top_k=4)
    for here, there in zip(together, alone, strict=True):
        for mask, other in zip(here, there, strict=True):
            assert [candidate.token for candidate in mask] == [candidate.token for candidate in other]
            np.testing.assert_allclose([c.score for c in mask], [c.score for c in other], atol=1e-5)


def test_one_string_is_a_batch_of_one(model):
    assert model.fill_mask(TEXTS[0]) == model.fill_mask([TEXTS[0]])
    assert model.fill_mask([]) == []


@pytest.mark.parametrize("text", ["Paris is the capital", "", "[mask]", "[ MASK ]"])
def test_a_text_without_mask_is_named(model, text):
    with pytest.raises(InputError, match=r"no \[MASK\]") as caught:
        model.fill_mask(["[MASK]", text])
    assert repr(text) in str(caught.value)


def test_a_text_that_is_too_long_is_named_and_the_longest_one_is_not(model):
    longest = "[MASK] " + 9 * "the "
    assert len(model.fill_mask(longest)[0]) == 1
    for method in (model.fill_mask, model.embed, model.pseudo_perplexity):
        with pytest.raises(InputError, match="11 tokens, more than the 10"):
            method(["[MASK] is the", 5 * "the [MASK] " + "the" if method == model.fill_mask else 11 * "the "])


@pytest.mark.parametrize("top_k", [0, len(VOCABULARY) + 1])
def test_top_k_is_checked(model, top_k):
    with pytest.raises(InputError, match="top_k"):
        model.fill_mask("[MASK]", top_k=top_k)
    assert sum(candidate.score for candidate in model.fill_mask("[MASK]", top_k=15)[0][0]) == pytest.approx(1, abs=1e-5)


def test_embed_is_the_mean_over_the_texts_own_tokens(model):
    vectors = model.embed(["paris is", "", "the capital of france . paris is the"])
    assert vectors.shape == (3, 16)
    assert vectors.dtype == np.float32
    row = np.array([ids_of("[CLS] paris is [SEP]")])
    hidden = model.backbone({"token_ids": row, "padding_mask": row >= 0})["sequence_output"]
    np.testing.assert_allclose(vectors[0], keras.ops.convert_to_numpy(hidden)[0, 1:3].mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(vectors[1], np.zeros(16))
    assert model.embed([]).shape == (0, 16)


def test_pseudo_perplexity_masks_every_token_once(model):
    values = model.pseudo_perplexity(["", "paris is 中", "the"])
    row = ids_of("[CLS] paris is 中 [SEP]")
    losses = []
    for position in (1, 2, 3):
        masked = [*row[:position], VOCABULARY.index("[MASK]"), *row[position + 1 :]]
        losses.append(-np.log(probabilities(model, masked, position)[row[position]]))
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)
    assert values[2] > 1
    assert model.pseudo_perplexity([]).shape == (0,)


def test_without_tokenizer_the_message_says_what_to_do(model):
    with pytest.raises(InputError, match="load_model"):
        BertPretrainer(model.config).fill_mask("[MASK]")
