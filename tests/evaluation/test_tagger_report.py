import keras
import numpy as np
import pytest
import seqeval.metrics

from keras_mlm.config import BertConfig
from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.data.tagged_words import TaggedWords, read_tagged_words
from keras_mlm.evaluation.tagger_report import full_report, tagger_scores, write_predictions
from keras_mlm.models.bert_token_classifier import BertTokenClassifier, WordPredictions
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from keras_mlm.training.best_epoch import BestEpoch

SENTENCES = [["ada", "love", "wrote", "it"], ["it", "in", "paris"], ["in", "lovelace", "wrote"]] * 4
TAGS = [["B-PER", "I-PER", "O", "O"], ["O", "O", "B-LOC"], ["O", "B-PER", "O"]] * 4
VOCABULARY = [*SPECIAL_TOKENS, "ada", "love", "##lace", "wrote", "it", "in", "paris"]
ANSWERS = [["B-PER", "I-PER", "O", "O"], ["O", "O", "B-PER"], ["O", "B-PER", "B-LOC"]]


def fitted(tags, classes, best_by):
    keras.utils.set_random_seed(0)
    config = BertConfig(len(VOCABULARY), 1, 1, 16, 16, max_sequence_length=16, dropout=0.0, initializer_range=0.2)
    model = BertTokenClassifier(config, classes, WordPieceTokenizer(VOCABULARY), length=8)
    model.compile(keras.optimizers.Adam(1e-2))
    windows = model.encode_words(SENTENCES)
    numbers = model.class_numbers([tag for of_words in tags for tag in of_words])
    batches = labelled_batches(windows.rows, windows.labels(numbers), batch_size=4)
    best = BestEpoch(lambda: tagger_scores(model, windows, tags), best_by, patience=9)
    stop = keras.callbacks.EarlyStopping(f"val_{best_by}", mode="max", patience=9)
    history = model.fit(batches, epochs=5, verbose=0, callbacks=[best, stop]).history
    assert stop.best == max(history[f"val_{best_by}"]) == history[f"val_{best_by}"][best.epoch]
    return model, windows, batches, history


def test_figures_of_spans_are_in_the_log_of_every_epoch_and_can_be_watched():
    model, windows, batches, history = fitted(TAGS, ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"], "f1")
    assert {"loss", "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1"} <= set(history)
    scores, predicted = tagger_scores(model, windows, TAGS), model.predict_words(SENTENCES).tags
    assert scores["f1"] == seqeval.metrics.f1_score(TAGS, predicted) == max(history["val_f1"]) > 0
    assert scores["accuracy"] == seqeval.metrics.accuracy_score(TAGS, predicted)
    loss = model.evaluate(batches, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(scores["loss"], loss, rtol=1e-4)


def test_parts_of_speech_have_an_accuracy_over_words():
    tags = [["X" if word in ("it", "in") else "NOUN" for word in sentence] for sentence in SENTENCES]
    model, windows, _, history = fitted(tags, ["NOUN", "X"], "accuracy")
    assert "val_f1" not in history
    right = [a == b for one, other in zip(tags, model.predict_words(SENTENCES).tags, strict=True)
             for a, b in zip(one, other, strict=True)]  # fmt: skip
    assert tagger_scores(model, windows, tags)["accuracy"] == pytest.approx(np.mean(right))


def sentences():
    return [TaggedWords("f", [5 * n, 5 * n + 1, 5 * n + 2, 5 * n + 3][: len(words)], words, tags)
            for n, (words, tags) in enumerate(zip(SENTENCES[:3], TAGS[:3], strict=True))]  # fmt: skip


def test_the_report_shows_what_is_wrong_and_not_the_words_where_they_are_not_to_be_seen():
    answer = WordPredictions(ANSWERS, [np.full(4, 0.9), np.full(3, 0.6), np.full(3, 0.8)])
    report = full_report(sentences(), answer, spans=True)
    lines = [line.split() for line in report.splitlines()]
    assert ["LOC", "0.000", "0.000", "0.000", "1"] in lines and ["PER", "0.667", "1.000", "0.800", "2"] in lines
    assert "B-LOC as B-PER 1, O as B-LOC 1" in report
    first, second = report.splitlines()[-2:]
    assert first.split() == ["80.0%", "B-LOC", "O", "12", "in", "lovelace", "[wrote]"] and "60.0%" in second
    assert "lovelace" not in full_report(sentences(), answer, spans=True, texts=False)
    plain = full_report(sentences(), answer, spans=False)
    assert ["O", "1.000", "0.833", "0.909", "6"] in [line.split() for line in plain.splitlines()]
    right = full_report(sentences(), WordPredictions(TAGS[:3], answer.scores), spans=True)
    assert "confus" not in right and "error" not in right


def test_predictions_are_columns_that_seqeval_counts_alike(tmp_path):
    path = str(tmp_path / "answers.tsv")
    write_predictions(path, sentences(), ANSWERS)
    assert [path.name for path in tmp_path.iterdir()] == ["answers.tsv"]
    truth, predicted = ([s.tags for s in read_tagged_words(path, label=label)] for label in "23")
    assert (truth, predicted) == (TAGS[:3], ANSWERS)
    assert [s.words for s in read_tagged_words(path)] == SENTENCES[:3]
