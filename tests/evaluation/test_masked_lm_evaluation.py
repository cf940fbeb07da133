import numpy as np
import pytest

from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.errors import InputError
from keras_mlm.evaluation.masked_lm_evaluation import evaluate_masked_lm
from keras_mlm.evaluation.yardsticks import Yardsticks
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize("next_sentence", [True, False])
def test_figures_are_weighted_means_over_all_targets(corpus, model, tokenizer, next_sentence):
    # A batch size that leaves a last batch with empty rows.
    dataset = PretrainingDataset(corpus, length=24, batch_size=7, next_sentence=next_sentence, split="validation")
    yardsticks = Yardsticks.from_folder(corpus)
    figures = evaluate_masked_lm(model, dataset, yardsticks)

    losses, hits, unigram, neighbour, pair_hits = [], [], [], [], []
    special = set(tokenizer.special_token_ids)
    for x, y, w in dataset.batches():
        outputs = model(x, training=False)
        log_probabilities = log_softmax(outputs["masked_lm"])
        rows = np.array(x["token_ids"]).tolist()
        for row, slot in np.argwhere(np.array(w["masked_lm"]) > 0):
            label, position = int(y["masked_lm"][row, slot]), int(x["mask_positions"][row, slot])
            losses.append(-log_probabilities[row, slot, label])
            hits.append(log_probabilities[row, slot].argmax() == label)
            around = [rows[row][place] if place < 24 else 0 for place in (position - 1, position + 1)]
            left, right = ([-1] if token in special else [token] for token in around)
            unigram.append(yardsticks.unigram_loss([label])[0])
            neighbour.append(yardsticks.neighbour_loss(left, [label], right)[0])
        if next_sentence:
            chosen = np.array(outputs["next_sentence"]).argmax(-1) == np.array(y["next_sentence"])
            pair_hits.extend(chosen[np.array(w["next_sentence"]) > 0])
    assert figures["targets"] == len(losses) > 100
    assert figures["masked_lm_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert figures["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)
    assert figures["masked_lm_accuracy"] == pytest.approx(np.mean(hits))
    assert figures["unigram_perplexity"] == pytest.approx(np.exp(np.mean(unigram)))
    assert figures["neighbour_perplexity"] == pytest.approx(np.exp(np.mean(neighbour)))
    if next_sentence:
        assert figures["next_sentence_accuracy"] == pytest.approx(np.mean(pair_hits))
    else:
        assert "next_sentence_accuracy" not in figures


def test_the_figures_depend_neither_on_the_batch_size_nor_on_the_call(corpus, model):
    small, large = (
        evaluate_masked_lm(model, PretrainingDataset(corpus, length=24, batch_size=size, split="validation"))
        for size in (5, 64)
    )
    assert small == pytest.approx(large, rel=1e-5)
    assert "unigram_perplexity" not in small


def test_it_agrees_with_evaluate_of_keras(corpus, model):
    dataset = PretrainingDataset(corpus, length=24, batch_size=16, split="validation")
    model.compile("sgd")
    logs = model.evaluate(dataset.batches(), return_dict=True, verbose=0)
    figures = evaluate_masked_lm(model, dataset)
    for name in ("masked_lm_loss", "masked_lm_accuracy", "perplexity", "next_sentence_loss", "next_sentence_accuracy"):
        assert figures[name] == pytest.approx(logs[name], rel=1e-4), name


def test_another_vocabulary_is_refused(corpus, model, tokenizer):
    dataset = PretrainingDataset(corpus, length=24, split="validation")
    other = WordPieceTokenizer([*tokenizer.vocabulary[:-1], "else"])
    with pytest.raises(InputError, match="another vocabulary"):
        evaluate_masked_lm(BertPretrainer(model.config, tokenizer=other), dataset)
    with pytest.raises(InputError, match="no tokenizer"):
        evaluate_masked_lm(BertPretrainer(model.config), dataset)
